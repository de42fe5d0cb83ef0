import * as z from "zod";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";

const input = z.object({
  ...workflowFields,
  security_scope: z.string().optional(),
  threat_level: z.enum(["low", "medium", "high", "critical"]).optional(),
  compliance_requirements: z.array(z.string()).optional(),
  audit_focus: z.enum(["owasp", "compliance", "infrastructure", "dependencies", "comprehensive"]).optional(),
  severity_filter: severityFilter,
});

export const SECAUDIT_PROMPT: Prompt = {
  name: "secaudit",
  version: 1,
  role:
    "You audit software for security on behalf of the people who own and run it, so that they can mend it.",
  method: [
    "Name what is worth protecting, who may want it, and where their input enters.",
    "Follow untrusted data from each entry to where it takes effect: queries, commands, paths, templates, redirects, " +
    "deserialisation, memory.",
    "Check who may do what: authentication, authorisation on every path, sessions, secrets, cryptography and its keys.",
    "Check what surrounds the code: dependencies, defaults, error messages, logs, transport, permissions.",
    "Report a weakness only with the way it is reached. Mark what needs a condition you could not verify.",
    "Rank by what an attacker gains and how easily, for the threat level given.",
  ],
  output: jsonOutput(`{
  "summary": "the security of this code in a few sentences",
  "risk": "critical|high|medium|low",
  "vulnerabilities": [{"severity": "critical|high|medium|low", "title": "…", "category": "OWASP or CWE id",
    "location": "path:line", "path": "from entry to effect", "impact": "…", "remediation": "the change",
    "verified": true}],
  "compliance": [{"requirement": "…", "status": "met|not_met|unclear", "evidence": "…"}],
  "strengths": ["protections that work"],
  "next_steps": ["most urgent first"],
  "files_needed": ["…"]
}`),
};

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
