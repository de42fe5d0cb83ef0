import { getLogger } from "@logtape/logtape";
import { abortError, untilAborted } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type Call, reportProgress } from "../call/call.ts";
import { whereaboutsOf } from "../call/wait.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import type { ToolResult } from "../wire/mcp.ts";
import { toErrorResult, toToolResult } from "./answer.ts";
import { OwnThreads } from "./own_threads.ts";
import { sampleOf } from "./sampling.ts";
import type { Tool, ToolContext } from "./tool.ts";
import type { OpenWorkspace, Workspace } from "../workspace/workspace.ts";

const log = getLogger(["exai", "tool"]);

/** What every call of every tool shares. */
export interface ToolSurroundings extends Pick<ToolContext, "models" | "host" | "tools"> {
  threads: ThreadStore;
  openWorkspace: OpenWorkspace;
}

/**
 * Runs one call of `tool`. Whatever the tool does, the result is well formed: a failure of the tool is a tool
 * execution error with a message the model can act on (MCP server/tools, error handling; SEP-1303 for arguments).
 *
 * @throws {ExaiError} the reason `call` was aborted with
 */
export async function runTool(tool: Tool, call: Call, surroundings: ToolSurroundings): Promise<ToolResult> {
  if (call.signal.aborted) throw abortError(call.signal);
  const startedMs = performance.now();
  const context = new ToolRunContext(call, surroundings);
  const facts = () => ({ tool: tool.name, durationMs: performance.now() - startedMs });
  try {
    const work = tool.call((call.params.arguments ?? {}) as JsonObject, context);
    const answer = work instanceof Promise ? await untilAborted(work, call.signal) : work;
    return toToolResult(answer ?? undefined, facts());
  } catch (thrown) {
    if (call.signal.aborted) throw abortError(call.signal);
    return toErrorResult(explain(tool.name, thrown), facts());
  } finally {
    context.ended = true;
  }
}

function explain(tool: string, thrown: unknown): ExaiError {
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

/** One call as its tool sees it. Made for each call, so it computes nothing in advance. */
class ToolRunContext implements ToolContext {
  readonly #call: Call;
  readonly #surroundings: ToolSurroundings;
  #workspace: Workspace | undefined;
  ended = false;

  constructor(call: Call, surroundings: ToolSurroundings) {
    this.#call = call;
    this.#surroundings = surroundings;
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
    return new OwnThreads(this.#surroundings.threads, this.whereabouts);
  }

  get models() {
    return this.#surroundings.models;
  }

  get sample() {
    return sampleOf(this.#call);
  }

  get workspace() {
    return this.#workspace ??= this.#surroundings.openWorkspace(this.whereabouts);
  }

  get whereabouts() {
    return whereaboutsOf(this.#call);
  }

  get host() {
    return this.#surroundings.host;
  }

  get tools() {
    return this.#surroundings.tools;
  }

  progress: ToolContext["progress"] = (progress) => {
    // Progress of a call that was answered belongs to nothing (MCP basic/utilities/progress).
    if (!this.ended) reportProgress(this.#call, progress);
  };
}
