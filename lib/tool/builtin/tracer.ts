import * as z from "zod";
import type { JsonObject } from "../../base/json.ts";
import { promptId } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { investigationFields, MODEL_FIELD_NAMES, promptText } from "../fields.ts";
import { consolidateFindings, listFindings } from "../findings.ts";
import text from "../prompts/tracer.md" with { type: "text" };
import type { ToolOutput } from "../tool_output.ts";
import { defineWorkflow } from "../workflow.ts";

const input = z.object({
  ...investigationFields,
  trace_mode: z.enum(["precision", "dependencies", "ask"])
    .describe(
      "precision: call path of a function; dependencies: of a class or module; ask: let the user choose",
    ),
  target_description: promptText.describe("what to trace and why"),
});

type TracerArgs = z.output<typeof input>;
type Mode = Exclude<TracerArgs["trace_mode"], "ask">;

const document = new PromptDocument(text);

/** The section of {@linkcode document} about each mode. */
const SECTIONS: Record<Mode, string> = { precision: "Precision", dependencies: "Dependencies" };

/** Traces the execution or the dependencies of code, step by step. */
export const tracer = defineWorkflow<TracerArgs>({
  name: "tracer",
  title: "Tracer",
  description:
    "Trace a call path or the dependencies of code step by step: you read the code between steps, tracer keeps " +
    "what you found.",
  input,
  ignores: MODEL_FIELD_NAMES,
  promptId: promptId(document),
  pauseStatus: "pause_for_tracing",
  completeStatus: "tracing_complete",
  carry: ["trace_mode", "target_description"],
  intercept: (args) => args.trace_mode === "ask" ? askForMode(args) : undefined,
  consolidate: consolidateFindings,
  requiredActions: ({ args }) => [
    ...document.items(SECTIONS[modeOf(args)], "Steps"),
    ...(args.step_number === 1 ? [] : document.items("Later")),
  ],
  finish: ({ args, steps }) => ({
    completion: "local",
    content: {
      trace_mode: args.trace_mode,
      target_description: args.target_description,
      findings: listFindings(steps),
      presentation: document.text(SECTIONS[modeOf(args)], "Presentation"),
    },
  }),
});

/** `intercept` handles `ask`, so a step has one of the other modes. */
function modeOf({ trace_mode }: TracerArgs): Mode {
  return trace_mode === "dependencies" ? "dependencies" : "precision";
}

/** The first line of the section about a mode. */
function summaryOf(mode: Mode): string {
  return document.text(SECTIONS[mode]).split("\n")[0]!;
}

function askForMode(args: TracerArgs): ToolOutput {
  const again = { ...args, trace_mode: "precision" } as unknown as JsonObject;
  return {
    status: "mode_selection_required",
    content: {
      question: "Which trace does the user want?",
      modes: { precision: summaryOf("precision"), dependencies: summaryOf("dependencies") },
      required_actions: [
        "Ask the user, unless the target makes it plain.",
        "Call again with that trace_mode.",
      ],
      next_call: { tool: "tracer", arguments: again },
    },
  };
}
