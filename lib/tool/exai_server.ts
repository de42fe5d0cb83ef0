import { getLogger } from "@logtape/logtape";
import { type Agents, NO_AGENTS } from "../agent/agents.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { Call, Caller, Whereabouts } from "../call/call.ts";
import { type ListKind, LISTS, type Server } from "../call/server.ts";
import { ROOTS_WAIT, whereaboutsOf } from "../call/wait.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import { type InitializeResult, negotiateRevision } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import type { OpenWorkspace } from "../workspace/workspace.ts";
import { BUILTIN_TOOLS } from "./builtin/tools.ts";
import type { ToolHost } from "./host.ts";
import type { ModelDefaults } from "./model_defaults.ts";
import { type OfferedTools, offerTools } from "./offered_tools.ts";
import { OwnThreads } from "./own_threads.ts";
import { runTool, type ToolDependencies } from "./run_tool.ts";
import { complete } from "./surface/completion.ts";
import { getPrompt, listPrompts } from "./surface/prompts.ts";
import { listResources, readResource, RESOURCE_TEMPLATES } from "./surface/thread_resources.ts";
import { ThreadQueue } from "./thread_queue.ts";
import type { Tool } from "./tool.ts";
import { type ToolsMode, WindowTools } from "./window_tools.ts";

const log = getLogger(["exai", "tool"]);

const NAME = "exai";

/**
 * How a model uses EXAI's tools; clients put it into the context (MCP lifecycle, `instructions`). It describes the fields
 * that many tools have, so that each definition need not.
 */
const INSTRUCTIONS =
  "EXAI's own tools that take step_number work in steps: each answer says what to do before the next step " +
  "(required_actions) and gives the call that goes on (next_call); keep its continuation_id. With the last step most " +
  "of them ask another model; confidence certain or use_assistant_model false ends without one. findings: what the " +
  "step found, with evidence. relevant_context: functions, classes. issues_found: severity critical, high, medium or " +
  "low. backtrack_from_step drops that step and later ones. model: a name or alias of listmodels; left out: chosen " +
  "for the task. temperature: 0 to 1. images: paths or data: URLs, at most 5. chat and consensus ask models at once; " +
  "challenge makes you re-examine a claim; apilookup searches the web; clink has another agent do a task here.";

export interface ExaiServerOptions {
  host: ToolHost;
  threads: ThreadStore;
  /** The models for the tools. */
  models: ModelRouter;
  /** The command lines of other agents; left out: none. */
  agents?: Agents;
  openWorkspace: OpenWorkspace;
  /** How models are asked where neither the call nor the tool says; may change. */
  modelDefaults?: () => ModelDefaults;
  /** The names of tools not to offer; `version` is always offered. */
  disabledTools?: readonly string[];
  /** Whether to offer only the core tools. */
  leanMode?: boolean;
  /** Which of the tools a window sees; left out: all. */
  modeOf?(caller: Caller): ToolsMode;
  /** The built-in tools; defaults to all of them. */
  tools?: readonly Tool[];
  /** The initial tools of the user. */
  userTools?: readonly Tool[];
}

/** The server of EXAI's own tools in the catalog. */
export interface ExaiServer extends Server {
  /** The names of the offered tools, in order. */
  readonly toolNames: readonly string[];
  /** Warnings about the settings that select tools; already logged. */
  readonly warnings: readonly string[];
  /** How the tools are used, for the context of the window's model; empty for a window that is offered none. */
  instructionsFor(caller: Caller): string;
  /** Whether a call of the tool `name` may take as long as a model does. */
  takesLong(name: string): boolean;
  /** Whether `caller` is offered a tool whose calls may take that long. */
  offersLongTools(caller: Caller): boolean;
  /** Replaces the user's tools. Running calls are not affected. */
  setUserTools(tools: readonly Tool[]): void;
}

/** Creates the server `exai`. All its state is in `options.threads`. */
export function createExaiServer(options: ExaiServerOptions): ExaiServer {
  return new ExaiToolServer(options);
}

const KIND_BY_METHOD: ReadonlyMap<string, ListKind> = new Map(
  Object.entries(LISTS).map(([kind, { method }]) => [method, kind as ListKind]),
);

class ExaiToolServer implements ExaiServer {
  readonly name = NAME;
  readonly ownScheme = `${NAME}:`;
  readonly #options: ExaiServerOptions;
  /** Sessions whose identity is being determined. */
  readonly #identifying = new Set<string>();
  #offered: OfferedTools;
  #tools: WindowTools;
  #dependencies: ToolDependencies;

  constructor(options: ExaiServerOptions) {
    this.#options = options;
    const userTools = options.userTools ?? [];
    this.#offered = this.#offer(userTools);
    this.#dependencies = {
      agents: NO_AGENTS,
      ...options,
      queue: new ThreadQueue(),
      tools: this.#offered.definitions,
    };
    this.#tools = this.#toolsByWindow(userTools);
    for (const warning of this.warnings) log.warning("{warning}", { warning });
  }

  get toolNames(): string[] {
    return this.#offered.definitions.map(({ name }) => name);
  }

  get warnings(): readonly string[] {
    return this.#offered.warnings;
  }

  setUserTools(tools: readonly Tool[]): void {
    this.#offered = this.#offer(tools);
    this.#tools = this.#toolsByWindow(tools);
    this.#dependencies = { ...this.#dependencies, tools: this.#offered.definitions };
  }

  takesLong(name: string): boolean {
    return this.#offered.get(name)?.takesLong ?? false;
  }

  offersLongTools(caller: Caller): boolean {
    return this.#tools.of(caller).some(({ name }) => this.takesLong(name));
  }

  instructionsFor(caller: Caller): string {
    return this.#tools.isOff(caller) ? "" : INSTRUCTIONS;
  }

  describe(caller: Caller): Promise<InitializeResult> {
    const instructions = this.instructionsFor(caller);
    return Promise.resolve({
      protocolVersion: negotiateRevision(caller.revision),
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: {},
        completions: {},
      },
      serverInfo: { name: NAME, title: "EXAI", version: this.#options.host.version },
      ...(instructions === "" ? {} : { instructions }),
    });
  }

  async list(kind: ListKind, { caller }: Pick<Call, "caller">): Promise<readonly JsonObject[]> {
    switch (kind) {
      case "tools":
        return this.#tools.of(caller);
      case "prompts":
        return listPrompts(this.#tools.of(caller));
      case "resources":
        return await this.#listResources(caller);
      case "templates":
        return RESOURCE_TEMPLATES;
    }
  }

  whyNotOffered(name: string, caller: Caller): string | undefined {
    return this.#tools.whyNotOffered(name, caller);
  }

  waitOf({ id }: Caller): string | undefined {
    return this.#identifying.has(id) ? ROOTS_WAIT : undefined;
  }

  /** The identity, and so the list of threads, may depend on the client's roots, which take time to get. */
  async #listResources(caller: Caller): Promise<readonly JsonObject[]> {
    const identity = () => {
      this.#identifying.add(caller.id);
      return caller.identity().finally(() => this.#identifying.delete(caller.id));
    };
    return await listResources({ threads: this.#threadsOf({ identity }) });
  }

  readonly target = (call: Call): Promise<Result> =>
    call.method === "tools/call" ? this.#callTool(call) : this.#handle(call);

  async #handle(call: Call): Promise<Result> {
    const kind = KIND_BY_METHOD.get(call.method);
    if (kind !== undefined) {
      checkCursor(call.params);
      return { result: { [LISTS[kind].field]: await this.list(kind, call) as JsonObject[] } };
    }
    switch (call.method) {
      case "prompts/get":
        return { result: getPrompt(call.params, this.#tools.of(call.caller)) };
      case "resources/read":
        return { result: await this.#read(call) };
      case "completion/complete":
        return { result: await this.#complete(call) };
      default:
        throw new ExaiError("METHOD_NOT_FOUND", `${NAME} has no method ${call.method}`);
    }
  }

  #offer(userTools: readonly Tool[]): OfferedTools {
    const { disabledTools = [], leanMode = false, tools = BUILTIN_TOOLS } = this.#options;
    return offerTools([...tools, ...userTools], {
      disabledTools,
      leanMode,
      alwaysWanted: userTools.map(({ name }) => name),
    });
  }

  #toolsByWindow(userTools: readonly Tool[]): WindowTools {
    const { models, agents } = this.#dependencies;
    return new WindowTools(this.#offered, {
      models,
      agents,
      modeOf: this.#options.modeOf,
      userTools: new Set(userTools.map(({ name }) => name)),
    });
  }

  async #callTool(call: Call): Promise<Result> {
    const { name, arguments: args } = call.params;
    if (typeof name !== "string") throw new ExaiError("INVALID_PARAMS", "name must be the name of a tool");
    const tool = this.#tools.find(name, call.caller);
    if (args !== undefined && args !== null && !isObject(args)) {
      throw new ExaiError("INVALID_PARAMS", `arguments of ${name} must be an object of its fields`);
    }
    return { result: await runTool(tool, call, this.#dependencies) };
  }

  async #read(call: Call): Promise<JsonObject> {
    const { host } = this.#options;
    const whereabouts = whereaboutsOf(call);
    return await readResource(call.params, { host, whereabouts, threads: this.#threadsOf(whereabouts) });
  }

  #threadsOf(caller: Pick<Whereabouts, "identity">): OwnThreads {
    return new OwnThreads(this.#options.threads, caller);
  }

  async #complete(call: Call): Promise<JsonObject> {
    return await complete(call.params, {
      tools: this.#tools.of(call.caller),
      models: this.#options.models,
      agents: this.#dependencies.agents,
      threads: this.#threadsOf(whereaboutsOf(call)),
      canSample: isObject(call.caller.capabilities.sampling),
    });
  }
}

function checkCursor({ cursor }: JsonObject): void {
  if (cursor === undefined) return;
  throw new ExaiError("INVALID_PARAMS", "this list has one page and gives out no cursor; ask without one");
}
