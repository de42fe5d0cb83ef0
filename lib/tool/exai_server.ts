import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { didYouMean, quoteName } from "../base/suggest.ts";
import type { Call } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { ThreadStore } from "../conversation/thread_store.ts";
import type { ModelRouter } from "../provider/routing.ts";
import { negotiateRevision } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { BUILTIN_TOOLS } from "./builtin/tools.ts";
import type { ToolHost } from "./host.ts";
import { runTool, type ToolSurroundings } from "./run.ts";
import { type Selection, selectTools } from "./selection.ts";
import type { Tool } from "./tool.ts";
import type { OpenWorkspace } from "./workspace.ts";

const log = getLogger(["exai", "tool"]);

const NAME = "exai";

const INSTRUCTIONS =
  "planner, tracer and docgen work in steps: each answer names what to do before the next step (required_actions) " +
  "and the call that goes on (next_call); keep its continuation_id. challenge makes you re-examine a claim.";

export interface ExaiServerOptions {
  host: ToolHost;
  threads: ThreadStore;
  /** Whom the tools ask. */
  models: ModelRouter;
  openWorkspace: OpenWorkspace;
  /** Names of tools not to offer; `version` is always offered. */
  disabledTools?: readonly string[];
  /** Whether only the core tools are offered. */
  leanMode?: boolean;
  /** The tools to choose from; all of EXAI's own unless said otherwise. */
  tools?: readonly Tool[];
}

/** EXAI's own tools as one server of the catalog. */
export interface ExaiServer extends Server {
  /** Names of the tools offered, in order. */
  readonly toolNames: readonly string[];
  /** What is odd about the settings that choose the tools; logged already. */
  readonly warnings: readonly string[];
}

/** Makes the server `exai`. It has no state of its own: what must be remembered is in `options.threads`. */
export function createExaiServer(options: ExaiServerOptions): ExaiServer {
  const { disabledTools = [], leanMode = false, tools = BUILTIN_TOOLS } = options;
  const selection = selectTools(tools, { disabledTools, leanMode });
  for (const warning of selection.warnings) log.warning("{warning}", { warning });
  const definitions = selection.offered.map((tool) => tool.definition);
  const byName = new Map(selection.offered.map((tool) => [tool.name, tool]));
  const list: Result = { result: deepFreeze({ tools: definitions }) };
  const { threads, models, openWorkspace, host } = options;
  const surroundings = { threads, models, openWorkspace, host, tools: definitions };
  return {
    name: NAME,
    toolNames: [...byName.keys()],
    warnings: selection.warnings,
    describe: (caller) =>
      Promise.resolve({
        protocolVersion: negotiateRevision(caller.revision),
        capabilities: { tools: {} },
        serverInfo: { name: NAME, title: "EXAI", version: options.host.version },
        instructions: INSTRUCTIONS,
      }),
    list: (kind) => Promise.resolve(kind === "tools" ? definitions : []),
    async target(call) {
      switch (call.method) {
        case "tools/call":
          return await callTool(call, byName, { selection, surroundings });
        case "tools/list":
          checkCursor(call.params);
          return list;
        default:
          throw new ExaiError("METHOD_NOT_FOUND", `${NAME} has no method ${call.method}; it has tools only`);
      }
    },
  };
}

async function callTool(
  call: Call,
  byName: ReadonlyMap<string, Tool>,
  { selection, surroundings }: { selection: Selection; surroundings: ToolSurroundings },
): Promise<Result> {
  const { name, arguments: args } = call.params;
  if (typeof name !== "string") throw new ExaiError("INVALID_PARAMS", "name must be the name of a tool");
  const tool = byName.get(name);
  if (tool === undefined) throw unknownTool(name, selection);
  if (args !== undefined && args !== null && !isObject(args)) {
    throw new ExaiError("INVALID_PARAMS", `arguments of ${name} must be an object of its fields`);
  }
  return { result: await runTool(tool, call, surroundings) };
}

function unknownTool(name: string, { offered, switchedOff }: Selection): ExaiError {
  const setting = switchedOff.get(name);
  if (setting !== undefined) {
    return new ExaiError("TOOL_NOT_FOUND", `the tool ${name} is switched off by ${setting}`);
  }
  const close = didYouMean(name, offered.map((tool) => tool.name));
  return new ExaiError(
    "TOOL_NOT_FOUND",
    `there is no tool ${quoteName(name)}${close}; tools/list names them all`,
  );
}

function checkCursor({ cursor }: JsonObject): void {
  if (cursor === undefined) return;
  throw new ExaiError("INVALID_PARAMS", "this list has one page and gives out no cursor; ask without one");
}

/** The list is one object for all who ask: nobody may change it for the others. */
function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null && !Object.isFrozen(part)) deepFreeze(part);
  }
  return Object.freeze(value);
}
