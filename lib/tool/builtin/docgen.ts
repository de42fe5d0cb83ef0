import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { investigationFields, MODEL_FIELD_NAMES } from "../fields.ts";
import { consolidateFindings, listFindings } from "../findings.ts";
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

/** Documents files one by one, and finishes only when all are documented. */
export const docgen = defineWorkflow<DocgenArgs>({
  name: "docgen",
  title: "Docgen",
  description:
    "Document code file by file: step 1 finds and counts the files, then one file a step, until all are documented.",
  input,
  ignores: MODEL_FIELD_NAMES,
  pauseStatus: "pause_for_documentation",
  completeStatus: "documentation_complete",
  carry: [
    "document_complexity",
    "document_flow",
    "update_existing",
    "comments_on_complex_logic",
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
      presentation:
        "List the files documented, what was corrected, and every fault in the code that you noticed " +
        "and left alone.",
    },
  }),
});

function progressOf(steps: readonly DocgenArgs[]): JsonObject {
  const { num_files_documented, total_files_to_document } = steps.at(-1) ?? {};
  return { num_files_documented, total_files_to_document };
}

function actionsFor(args: DocgenArgs): string[] {
  const { num_files_documented: done, total_files_to_document: total } = args;
  if (args.step_number === 1) {
    return [
      "Find every file in scope and count them: that is total_files_to_document.",
      "See how this code is documented so far and keep to it.",
    ];
  }
  if (done === total) return ["Read each documented file once more against its code, then finish."];
  const wishes = [
    ...(args.document_complexity ? ["Say what each algorithm costs in time and space."] : []),
    ...(args.document_flow
      ? ["Say what calls each function and what it calls, where that is not plain."]
      : []),
    ...(args.update_existing ? ["Correct documentation that says what the code does not do."] : []),
    ...(args.comments_on_complex_logic ? ["Comment logic whose reason the code does not show."] : []),
  ];
  return [
    `Document the next file, all of it (${done} of ${total} are done), then count it in num_files_documented.`,
    ...wishes,
    "Change comments only: report faults in the code, do not mend them.",
  ];
}
