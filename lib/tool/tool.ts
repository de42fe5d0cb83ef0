import type * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller, Progress, Whereabouts } from "../call/call.ts";
import type { Sample } from "../provider/provider.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import type { ToolDefinition } from "../wire/mcp.ts";
import { OUTPUT_SCHEMA, type ToolOutput } from "./tool_output.ts";
import type { ToolAnnotations } from "./annotations.ts";
import { argumentError, checkSize } from "./argument_errors.ts";
import type { ToolHost } from "./host.ts";
import type { OwnThreads } from "./own_threads.ts";
import { publishSchema } from "./schema.ts";
import type { Workspace } from "../workspace/workspace.ts";

/** What a tool has at hand while one call of it runs. */
export interface ToolContext {
  /** The session that calls. */
  readonly caller: Caller;
  /** Aborted when the answer is no longer wanted; stop what costs time or money. */
  readonly signal: AbortSignal;
  /** When `signal` will abort at the latest, in milliseconds since 1970; undefined when nobody set a time. */
  readonly deadlineMs: number | undefined;
  /** Tells the caller how far the call has come; dropped once the call has ended. */
  progress(progress: Progress): void;
  readonly threads: OwnThreads;
  readonly models: ModelRouter;
  /** The client's own model, where it lends it. */
  readonly sample: Sample | undefined;
  /** The files and the git of this session. */
  readonly workspace: Workspace;
  readonly host: ToolHost;
  /** For what the host tells of the caller's workspace. */
  readonly whereabouts: Whereabouts;
  /** Every tool on offer, as published. */
  readonly tools: readonly ToolDefinition[];
}

/** What a tool may give back: nothing at all is an answer too. */
export type OptionalToolOutput = ToolOutput | undefined | void;

/** A tool as its file writes it. */
export interface ToolSpec<Input extends z.ZodObject> {
  /** `[A-Za-z0-9_-]`, at most 64 characters. */
  name: string;
  /** Shown to people. */
  title: string;
  /** For the model that chooses: what it is for, in a sentence or two. */
  description: string;
  /** Fields that are not in it are refused by name. */
  input: Input;
  annotations: ToolAnnotations;
  /** Fields that are taken and mean nothing, unpublished: clients of the original daemon send them. */
  ignores?: readonly string[];
  /**
   * Does the work. The arguments have passed `input`.
   *
   * @throws {ExaiError} what the caller should read and do next; anything else is reported as a fault of the tool
   */
  run(args: z.output<Input>, context: ToolContext): OptionalToolOutput | Promise<OptionalToolOutput>;
}

/** A tool ready to be offered and called. */
export interface Tool {
  readonly name: string;
  /** As `tools/list` shows it; made once. */
  readonly definition: ToolDefinition;
  /**
   * Checks `args` and runs the tool.
   *
   * @throws {ExaiError} `INVALID_PARAMS` naming each field that is wrong and what is allowed
   */
  call(args: JsonObject, context: ToolContext): OptionalToolOutput | Promise<OptionalToolOutput>;
}

/** Makes a {@linkcode Tool} of its parts: schema in, typed arguments to `run`. */
export function defineTool<Input extends z.ZodObject>(spec: ToolSpec<Input>): Tool {
  const { name, title, description, annotations, ignores = [] } = spec;
  const input = spec.input.strict();
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new ExaiError(
      "INTERNAL",
      `${JSON.stringify(name)} cannot be the name of a tool: use A-Z a-z 0-9 _ -`,
    );
  }
  const fields = Object.keys(input.shape);
  return {
    name,
    definition: {
      name,
      title,
      description,
      inputSchema: publishSchema(input),
      outputSchema: OUTPUT_SCHEMA,
      annotations,
    },
    call(args, context) {
      checkSize(name, args, fields);
      const parsed = input.safeParse(without(args, ignores));
      if (!parsed.success) throw argumentError(name, parsed.error.issues, fields);
      return spec.run(parsed.data as z.output<Input>, context);
    },
  };
}

function without(args: JsonObject, names: readonly string[]): JsonObject {
  if (!names.some((name) => name in args)) return args;
  return Object.fromEntries(Object.entries(args).filter(([name]) => !names.includes(name)));
}
