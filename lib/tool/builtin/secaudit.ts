import * as z from "zod";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";
import { SECAUDIT } from "../prompts/secaudit.ts";

const input = z.object({
  ...workflowFields,
  security_scope: z.string().optional(),
  threat_level: z.enum(["low", "medium", "high", "critical"]).optional(),
  compliance_requirements: z.array(z.string()).optional(),
  audit_focus: z.enum(["owasp", "compliance", "infrastructure", "dependencies", "comprehensive"]).optional(),
  severity_filter: severityFilter,
});

/** Audits software for security. */
export const secaudit = defineExpertWorkflow<z.output<typeof input>>({
  name: "secaudit",
  title: "Security audit",
  description:
    "Audit security in steps: entry points, access control, data flow, dependencies. A model audits it too.",
  input,
  phase: "security_audit",
  ownFields: ["security_scope", "threat_level", "compliance_requirements", "audit_focus", "severity_filter"],
  prompt: SECAUDIT,
  defaults: { temperature: 0.2 },
  actions: {
    begin: [
      "List what is worth protecting and every place where input of others enters.",
      "Find where users are authenticated, where access is decided, where secrets are kept.",
    ],
    deepen: [
      "Follow untrusted input from each entry to where it takes effect.",
      "Look for a path around each check: another route, another role, an error, a race.",
    ],
    conclude: [
      "Confirm how each weakness is reached, and drop what cannot be.",
      "Check dependencies and configuration against what is known of them.",
    ],
  },
});
