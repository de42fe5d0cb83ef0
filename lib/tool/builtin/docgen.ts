import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { promptId } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { investigationFields, MODEL_FIELD_NAMES } from "../fields.ts";
import { consolidateFindings, listFindings } from "../findings.ts";
import text from "../prompts/docgen.md" with { type: "text" };
import { defineWorkflow } from "../workflow.ts";

const count = z.int().min(0);

const input = z.object({
  ...investigationFields,
  document_complexity: z.boolean().describe("state time and space complexity"),
  document_flow: z.boolean().describe("state callers and callees"),
  update_existing: z.boolean().describe("correct docs that are there"),
  comments_on_complex_logic: z.boolean(),
  num_files_documented: count,
  total_files_to_document: count,
});

type DocgenArgs = z.output<typeof input>;

const document = new PromptDocument(text);

/** Arguments that ask for more in each file; the sections about them have their names. */
const WISHES = [
  "document_complexity",
  "document_flow",
  "update_existing",
  "comments_on_complex_logic",
] as const;

/** Documents files one by one, and finishes only when all are documented. */
export const docgen = defineWorkflow<DocgenArgs>({
  name: "docgen",
  title: "Docgen",
  description:
    "Document code file by file: step 1 finds and counts the files, then one file a step, until all are documented.",
  input,
  ignores: MODEL_FIELD_NAMES,
  promptId: promptId(document),
  pauseStatus: "pause_for_documentation",
  completeStatus: "documentation_complete",
  carry: [
    ...WISHES,
    "num_files_documented",
    "total_files_to_document",
  ],
  check({ num_files_documented: done, total_files_to_document: total }) {
    if (done <= total) return;
    const message =
      `num_files_documented is ${done}, more than total_files_to_document (${total}); correct either`;
    throw new ExaiError("INVALID_PARAMS", message);
  },
  holdOpen: ({ num_files_documented: done, total_files_to_document: total }) =>
    done < total
      ? `${total - done} of ${total} files are not documented yet: docgen finishes when all are, or when ` +
        "total_files_to_document is corrected"
      : undefined,
  consolidate: (steps) => ({ ...consolidateFindings(steps), ...progressOf(steps) }),
  requiredActions: ({ args }) => actionsFor(args),
  finish: ({ steps }) => ({
    completion: "local",
    content: {
      findings: listFindings(steps),
      presentation: document.text("Presentation"),
    },
  }),
});

function progressOf(steps: readonly DocgenArgs[]): JsonObject {
  const { num_files_documented, total_files_to_document } = steps.at(-1) ?? {};
  return { num_files_documented, total_files_to_document };
}

function actionsFor(args: DocgenArgs): string[] {
  const { num_files_documented: done, total_files_to_document: total } = args;
  const items = (title: string) => document.items("Steps", title);
  if (args.step_number === 1) return items("Step 1");
  if (done === total) return items("When done");
  return [
    `Document the next file, all of it (${done} of ${total} are done), then count it in num_files_documented.`,
    ...items("Each file"),
    ...WISHES.filter((wish) => args[wish]).flatMap(items),
    ...items("Faults"),
  ];
}
