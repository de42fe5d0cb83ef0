import { getLogger } from "@logtape/logtape";
import { abortError, untilAborted } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type Call, reportProgress } from "../call/call.ts";
import type { Identity } from "../call/owner.ts";
import { whereaboutsOf } from "../call/wait.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import type { ToolResult } from "../wire/mcp.ts";
import type { OpenWorkspace, Workspace } from "../workspace/workspace.ts";
import type { ModelDefaults } from "./model_defaults.ts";
import { MeteredModels } from "./metered_models.ts";
import { OwnThreads } from "./own_threads.ts";
import { sampleOf } from "./sampling.ts";
import type { ThreadQueue } from "./thread_queue.ts";
import type { Tool, ToolContext } from "./tool.ts";
import { tracedAgents } from "./traced_parts.ts";
import { toErrorResult, toToolResult } from "./tool_output.ts";

const log = getLogger(["exai", "tool"]);

/** The dependencies shared by all calls of all tools. */
export interface ToolDependencies extends Pick<ToolContext, "models" | "agents" | "host" | "tools"> {
  /** How models are asked where neither the call nor the tool says; may change. */
  modelDefaults?: () => ModelDefaults;
  threads: ThreadStore;
  queue: ThreadQueue;
  openWorkspace: OpenWorkspace;
}

/**
 * Runs one call of `tool`. An error of the tool becomes a tool execution error with a message the model can act on (MCP
 * server/tools, error handling; SEP-1303 for invalid arguments).
 *
 * @throws {ExaiError} the abort reason of the call
 */
export async function runTool(tool: Tool, call: Call, dependencies: ToolDependencies): Promise<ToolResult> {
  if (call.signal.aborted) throw abortError(call.signal);
  const startedMs = performance.now();
  const context = new ToolRunContext(call, dependencies);
  const facts = () => ({ tool: tool.name, durationMs: performance.now() - startedMs });
  try {
    const work = tool.call((call.params.arguments ?? {}) as JsonObject, context);
    const output = work instanceof Promise ? await untilAborted(work, call.signal) : work;
    return toToolResult(output ?? undefined, facts());
  } catch (thrown) {
    if (call.signal.aborted) throw abortError(call.signal);
    return toErrorResult(toError(tool.name, thrown), facts());
  } finally {
    context.end();
  }
}

function toError(tool: string, thrown: unknown): ExaiError {
  if (thrown instanceof ExaiError) return thrown;
  log.error("{tool} failed: {error}", { tool, error: thrown });
  return new ExaiError(
    "INTERNAL",
    `${tool} failed: ${
      messageOf(thrown)
    }. This is a fault of the tool, not of the call: try once more, and if it ` +
      "fails again go on without it; the tool health shows recent errors",
    { cause: thrown },
  );
}

/** The context of one call. Everything is computed on access, since one is created per call. */
class ToolRunContext implements ToolContext {
  readonly #call: Call;
  readonly #dependencies: ToolDependencies;
  #workspace: Workspace | undefined;
  #identity: Promise<Identity> | undefined;
  #hasEnded = false;

  constructor(call: Call, dependencies: ToolDependencies) {
    this.#call = call;
    this.#dependencies = dependencies;
  }

  get caller() {
    return this.#call.caller;
  }

  get signal() {
    return this.#call.signal;
  }

  get deadlineMs() {
    return this.#call.deadlineMs;
  }

  get threads() {
    const { threads, queue } = this.#dependencies;
    // Asked once: the session may have ended when a slow answer is stored.
    const identity = () => this.#identity ??= this.whereabouts.identity();
    return new OwnThreads(threads, { identity }, queue);
  }

  get models() {
    return new MeteredModels(this.#dependencies.models, this.#call.trace);
  }

  get modelDefaults() {
    return this.#dependencies.modelDefaults?.() ?? {};
  }

  get agents() {
    const { agents } = this.#dependencies;
    const span = this.#call.trace?.span;
    return span ? tracedAgents(agents, span) : agents;
  }

  get sample() {
    return sampleOf(this.#call);
  }

  get workspace() {
    return this.#workspace ??= this.#dependencies.openWorkspace(this.whereabouts);
  }

  get whereabouts() {
    return whereaboutsOf(this.#call);
  }

  get host() {
    return this.#dependencies.host;
  }

  get tools() {
    return this.#dependencies.tools;
  }

  progress: ToolContext["progress"] = (progress) => {
    // No progress may follow the response (MCP basic/utilities/progress).
    if (!this.#hasEnded) reportProgress(this.#call, progress);
  };

  end(): void {
    this.#hasEnded = true;
  }
}
