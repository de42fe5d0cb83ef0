import * as z from "zod";
import type { JsonObject } from "../../base/json.ts";
import { investigationFields, MODEL_FIELD_NAMES, promptText } from "../fields.ts";
import { consolidateFindings, listFindings } from "../findings.ts";
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

const MODES: Record<Mode, { is: string; look: readonly string[]; presentation: string }> = {
  precision: {
    is: "the path of execution: who calls the target, what it calls, in which order, with which effects",
    look: [
      "Find the definition of the target and every place that calls it.",
      "Follow each call it makes, with the branches that decide whether it is made.",
      "Note what it changes outside itself: state, files, network, events.",
    ],
    presentation:
      "Show entry points first, then the calls as an indented tree, each with file and line and the " +
      "condition it depends on; then the side effects, then what you could not settle.",
  },
  dependencies: {
    is: "the structure: what the target depends on, what depends on it, and through which means",
    look: [
      "List what the target imports, inherits, is given or looks up at run time.",
      "List what uses it, directly and through interfaces, configuration or events.",
      "Look for rings and for dependencies that point the wrong way.",
    ],
    presentation:
      "Show what points at the target, then what it points at, grouped by kind (import, inheritance, " +
      "injection, event), each with file and line; then rings and surprises.",
  },
};

/** Traces the execution or the dependencies of code, step by step. */
export const tracer = defineWorkflow<TracerArgs>({
  name: "tracer",
  title: "Tracer",
  description:
    "Trace a call path or the dependencies of code step by step: you read the code between steps, tracer keeps " +
    "what you found.",
  input,
  ignores: MODEL_FIELD_NAMES,
  pauseStatus: "pause_for_tracing",
  completeStatus: "tracing_complete",
  carry: ["trace_mode", "target_description"],
  intercept: (args) => args.trace_mode === "ask" ? askForMode(args) : undefined,
  consolidate: consolidateFindings,
  requiredActions: ({ args }) => [
    ...MODES[modeOf(args)].look,
    ...(args.step_number === 1
      ? []
      : ["Check by reading, not by name, whatever an earlier step only assumed."]),
  ],
  finish: ({ args, steps }) => ({
    completion: "local",
    content: {
      trace_mode: args.trace_mode,
      target_description: args.target_description,
      findings: listFindings(steps),
      presentation: MODES[modeOf(args)].presentation,
    },
  }),
});

/** `intercept` handles `ask`, so a step has one of the other modes. */
function modeOf({ trace_mode }: TracerArgs): Mode {
  return trace_mode === "dependencies" ? "dependencies" : "precision";
}

function askForMode(args: TracerArgs): ToolOutput {
  const again = { ...args, trace_mode: "precision" } as unknown as JsonObject;
  return {
    status: "mode_selection_required",
    content: {
      question: "Which trace does the user want?",
      modes: { precision: MODES.precision.is, dependencies: MODES.dependencies.is },
      required_actions: [
        "Ask the user, unless the target makes it plain.",
        "Call again with that trace_mode.",
      ],
      next_call: { tool: "tracer", arguments: again },
    },
  };
}
