import * as z from "zod";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";
import text from "../prompts/secaudit.md" with { type: "text" };

const input = z.object({
  ...workflowFields,
  security_scope: z.string().optional(),
  threat_level: z.enum(["low", "medium", "high", "critical"]).optional(),
  compliance_requirements: z.array(z.string()).optional(),
  audit_focus: z.enum(["owasp", "compliance", "infrastructure", "dependencies", "comprehensive"]).optional(),
  severity_filter: severityFilter,
});

const document = new PromptDocument(text);

export const SECAUDIT_PROMPT = toPrompt(document);

/** Audits the security of software. */
export const secaudit = defineExpertWorkflow<z.output<typeof input>>({
  name: "secaudit",
  title: "Security audit",
  description:
    "Audit security in steps: entry points, access control, data flow, dependencies. A model audits it too.",
  input,
  phase: "security_audit",
  ownFields: ["security_scope", "threat_level", "compliance_requirements", "audit_focus", "severity_filter"],
  prompt: SECAUDIT_PROMPT,
  defaults: { temperature: 0.2, thinkingMode: "high" },
  actions: toStepActions(document),
});
