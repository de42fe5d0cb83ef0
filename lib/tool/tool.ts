import type * as z from "zod";
import type { Agents } from "../agent/agents.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller, Progress, Whereabouts } from "../call/call.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import type { Sample } from "../provider/client_sample.ts";
import type { ToolDefinition } from "../wire/mcp.ts";
import type { Workspace } from "../workspace/workspace.ts";
import type { ToolAnnotations } from "./annotations.ts";
import { readArguments } from "./arguments.ts";
import type { ModelDefaults } from "./model_defaults.ts";
import type { ToolHost } from "./host.ts";
import type { OwnThreads } from "./own_threads.ts";
import { publishSchema } from "./schema.ts";
import { OUTPUT_SCHEMA, type ToolOutput } from "./tool_output.ts";

/** The services and metadata of one call. */
export interface ToolContext {
  /** The calling session. */
  readonly caller: Caller;
  /** Aborted when the result is no longer needed; stop work that costs time or money. */
  readonly signal: AbortSignal;
  /** When `signal` will abort at the latest, in milliseconds since 1970; undefined without a time-out. */
  readonly deadlineMs: number | undefined;
  /** Sends a progress notification; ignored once the call has ended. */
  progress(progress: Progress): void;
  readonly threads: OwnThreads;
  readonly models: ModelRouter;
  /** The command lines of other agents. */
  readonly agents: Agents;
  /** How models are asked where neither the call nor the tool says. */
  readonly modelDefaults: ModelDefaults;
  /** The client's model, if the client supports sampling. */
  readonly sample: Sample | undefined;
  /** The files and git repositories of the session. */
  readonly workspace: Workspace;
  readonly host: ToolHost;
  /** Identifies the caller's workspace to `host`. */
  readonly whereabouts: Whereabouts;
  /** The definitions of all offered tools. */
  readonly tools: readonly ToolDefinition[];
}

/** The return value of a tool; without one the result says that the tool is done. */
export type OptionalToolOutput = ToolOutput | undefined | void;

/** What a tool cannot work without: a model of any provider or of the client, Kimi, or another agent. */
export type ToolNeeds = "model" | "kimi" | "agent";

/** The definition of a tool for {@linkcode defineTool}. */
export interface ToolSpec<Input extends z.ZodObject> {
  /** `[A-Za-z0-9_-]`, at most 64 characters (the common subset of what clients accept). */
  name: string;
  /** For display. */
  title: string;
  /** For the model that selects a tool: its purpose in a sentence or two. */
  description: string;
  /** Unknown fields are rejected. */
  input: Input;
  annotations: ToolAnnotations;
  /** Left out: it always works. */
  needs?: ToolNeeds;
  /** Whether a call may take as long as a model does; default: when it needs one. */
  takesLong?: boolean;
  /** Unpublished fields that are accepted and ignored, for clients of the original daemon. */
  ignores?: readonly string[];
  /**
   * Runs one call with validated arguments.
   *
   * @throws {ExaiError} an error the caller can act on; any other error is reported as a bug of the tool
   */
  run(args: z.output<Input>, context: ToolContext): OptionalToolOutput | Promise<OptionalToolOutput>;
}

/** A callable tool. */
export interface Tool {
  readonly name: string;
  /** The entry of `tools/list`. */
  readonly definition: ToolDefinition;
  readonly needs?: ToolNeeds;
  readonly takesLong?: boolean;
  /**
   * Validates `args` and runs the tool.
   *
   * @throws {ExaiError} `INVALID_PARAMS` naming each invalid field and what is allowed; what the tool throws
   */
  call(args: JsonObject, context: ToolContext): OptionalToolOutput | Promise<OptionalToolOutput>;
}

/**
 * Creates a {@linkcode Tool}. The schema of `input` is published, and `run` gets the validated, typed arguments.
 *
 * @throws {ExaiError} `INTERNAL` when the name is invalid
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import * as z from "zod";
 * import { defineTool, type ToolContext } from "./tool.ts";
 *
 * const greet = defineTool({
 *   name: "greet",
 *   title: "Greet",
 *   description: "Greets a person by name.",
 *   input: z.object({ who: z.string().min(1), loud: z.boolean().default(false) }),
 *   annotations: { readOnlyHint: true },
 *   run: ({ who, loud }) => ({ content: `Hello, ${loud ? who.toUpperCase() : who}!` }),
 * });
 *
 * assertEquals(greet.definition.inputSchema.required, ["who"]);
 * assertEquals(greet.call({ who: "Ada" }, {} as ToolContext), { content: "Hello, Ada!" });
 * ```
 */
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
    needs: spec.needs,
    takesLong: spec.takesLong ?? spec.needs !== undefined,
    call(args, context) {
      const read = readArguments(omit(args, ignores), { tool: name, schema: input, fields });
      return spec.run(read as z.output<Input>, context);
    },
  };
}

function omit(args: JsonObject, names: readonly string[]): JsonObject {
  if (!names.some((name) => name in args)) return args;
  return Object.fromEntries(Object.entries(args).filter(([name]) => !names.includes(name)));
}
