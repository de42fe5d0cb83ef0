import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { ownEntry } from "../base/own.ts";
import { type Call, type Caller, compose, derive, type Policy, type Target } from "../call/call.ts";
import { type ListKind, LISTS, type Server } from "../call/server.ts";
import { type Implementation, LATEST_REVISION } from "../wire/mcp.ts";
import { isRepeatableTool } from "../wire/repeatable.ts";
import type { Result } from "../wire/rpc.ts";
import { Catalog } from "./catalog.ts";
import { type CatalogEntry, shownAs } from "./entries.ts";
import { unknownName } from "./missing.ts";
import { ResourceFinder } from "./resources.ts";
import { TaskRoutes } from "./tasks.ts";
import { CALL_TOOL, callThrough, FIND_TOOL } from "./tool_search.ts";
import { ToolView, type ToolViewOptions } from "./tool_view.ts";

export interface RouterOptions extends ToolViewOptions {
  servers: () => readonly Server[];
  serverInfo: Implementation;
  instructions?: string;
  /** What stands in front of every call that does work, before it is known where it leads: metrics. */
  policies: readonly Policy[];
  /** What stands in front of one server's work: time-out, permits. Asked once for each server. */
  policiesFor(server: Server): readonly Policy[];
  /** What stands in front of a question about a server itself, which waits for no work: time-out. Asked once too. */
  queryPoliciesFor(server: Server): readonly Policy[];
  /** How long one server may take for a list before it is left out, in milliseconds. */
  listDeadlineMs: number;
  /** Whether results of the server's tools may be other than their output schemas say, so that none are shown. */
  hidesOutputSchemas?(server: Server): boolean;
}

type MethodHandler = (call: Call) => Promise<Result>;

/** Every MCP method a client may send, led to the server it belongs to: the merged catalog, or one server alone. */
export class Router {
  readonly #options: RouterOptions;
  readonly #catalog: Catalog;
  readonly #view: ToolView;
  readonly #resources: ResourceFinder;
  readonly #tasks = new TaskRoutes();
  readonly #work: Target;
  readonly #find: Target;
  readonly #working = new WeakMap<Server, Target>();
  readonly #querying = new WeakMap<Server, Target>();
  readonly #handlers: Readonly<Record<string, MethodHandler>>;

  constructor(options: RouterOptions) {
    this.#options = options;
    const catalogOptions = {
      servers: options.servers,
      deadlineMs: options.listDeadlineMs,
      hidesOutputSchemas: options.hidesOutputSchemas,
    };
    this.#catalog = new Catalog(catalogOptions);
    this.#view = new ToolView(this.#catalog, options);
    this.#resources = new ResourceFinder(this.#catalog, catalogOptions);
    this.#work = compose((call) => this.#lead(call), options.policies);
    this.#find = compose((call) => this.#view.find(call), options.policies);
    this.#handlers = {
      "initialize": (call) => this.#initialize(call),
      "logging/setLevel": (call) => this.#setLevel(call),
      "tools/list": (call) => this.#list("tools", call),
      "prompts/list": (call) => this.#list("prompts", call),
      "resources/list": (call) => this.#list("resources", call),
      "resources/templates/list": (call) => this.#list("templates", call),
      "tasks/list": (call) => this.#listTasks(call),
    };
  }

  /** Handles one request of any session. */
  readonly target: Target = (call) => {
    // One that comes as a request would reach a server that several windows share, with ids that are not theirs.
    if (isNotificationName(call.method)) return Promise.reject(noSuchMethod(call.method));
    const handler = ownEntry(this.#handlers, call.method);
    if (handler) return handler(call);
    return isFrontName(call) ? this.#workAtFront(call) : this.#work(call);
  };

  /** Names of the servers that have a door of their own. */
  get serverNames(): string[] {
    return this.#options.servers().map(({ name }) => name);
  }

  /** The lists of some server have changed. */
  invalidate(): void {
    this.#catalog.invalidate();
  }

  /**
   * Passes on a notification of a client that belongs to no call. Of a window that sees all servers only those whose
   * receiver is known are: nothing is broadcast.
   */
  notify(caller: Caller, method: string, params: JsonObject): void {
    // The daemon has said it to the server itself, once for all its windows.
    if (method === "notifications/initialized") return;
    // What is a request by its name would run without an answer, a permit and a record.
    if (!isNotificationName(method)) return;
    if (caller.server === undefined && !FOR_ANY_SERVER.has(method)) return;
    for (const server of this.#seenBy(caller)) server.notify?.(caller, method, params);
  }

  /** A session is over: whatever was held for it is given back. */
  detach(caller: Caller): void {
    this.#catalog.forget(caller);
    this.#view.forget(caller);
    this.#tasks.forget(caller);
    for (const server of this.#options.servers()) server.detach?.(caller);
  }

  async #initialize(call: Call): Promise<Result> {
    const { serverInfo, instructions } = this.#options;
    const protocolVersion = call.caller.revision ?? LATEST_REVISION;
    if (call.caller.server !== undefined) {
      const description = await this.#one(call.caller.server).describe(call.caller, call.signal);
      return { result: { ...description, protocolVersion } };
    }
    const result: JsonObject = { protocolVersion, capabilities: CAPABILITIES, serverInfo };
    if (instructions) result.instructions = instructions;
    return { result };
  }

  async #setLevel(call: Call): Promise<Result> {
    if (call.caller.server !== undefined) return await this.#ask(this.#one(call.caller.server), call);
    for (const server of this.#options.servers()) server.logLevelChanged?.(call.caller);
    return { result: {} };
  }

  async #list(kind: ListKind, call: Call): Promise<Result> {
    const { field } = LISTS[kind];
    if (call.caller.server !== undefined) return await this.#ask(this.#one(call.caller.server), call);
    if (call.params.cursor !== undefined) {
      throw new ExaiError("INVALID_PARAMS", "cursor is none of this server's");
    }
    const entries = await this.#catalog.list(kind, call);
    if (kind === "tools") return { result: { tools: this.#view.show(entries, call.caller) } };
    return { result: { [field]: Array.from(entries, ([name, entry]) => shownAs(name, entry)) } };
  }

  // What call_tool stands for meets every policy as if the window had called it by its name.
  async #workAtFront(call: Call): Promise<Result> {
    if (!await this.#view.isFront(call)) return await this.#work(call);
    return call.params.name === FIND_TOOL ? await this.#find(call) : await this.#work(callThrough(call));
  }

  async #listTasks(call: Call): Promise<Result> {
    if (call.caller.server !== undefined) return await this.#ask(this.#one(call.caller.server), call);
    const { listDeadlineMs } = this.#options;
    return await this.#tasks.list(call, (server, call) => this.#ask(server, call), listDeadlineMs);
  }

  /** Leads a call that does work to its server; that of a tool, which most are, without a promise in between. */
  #lead(call: Call): Promise<Result> {
    const isToolCall = call.method === "tools/call" && call.caller.server === undefined;
    return isToolCall ? this.#named("tools", call) : this.#leadByMethod(call);
  }

  async #leadByMethod(call: Call): Promise<Result> {
    if (call.caller.server !== undefined) return await this.#run(this.#one(call.caller.server), call);
    switch (call.method) {
      case "prompts/get":
        return await this.#named("prompts", call);
      case "resources/read":
      case "resources/subscribe":
      case "resources/unsubscribe":
        return await this.#resources.lead(call, (server, call) => this.#run(server, call));
      case "completion/complete":
        return await this.#complete(call);
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
        return await this.#run(this.#tasks.serverOf(call), call);
      default:
        throw noSuchMethod(call.method);
    }
  }

  async #named(kind: "tools" | "prompts", call: Call): Promise<Result> {
    const { name } = call.params;
    if (typeof name !== "string") throw new ExaiError("INVALID_PARAMS", "name must be a text");
    const found = this.#catalog.find(kind, name, call);
    const asked = found instanceof Promise ? await found : found;
    const entry = asked ?? await this.#search(kind, name, call);
    if (kind === "tools") {
      const shown = entry.own.name === name ? name : this.#catalog.nameOf(kind, entry, call.caller);
      this.#view.check(shown ?? name, entry, call.caller);
    }
    const own = entry.own.name === name
      ? call
      : derive(call, { params: { ...call.params, name: entry.own.name } });
    // What does no harm when it is done twice need not be kept in mind.
    const quiet = call.begin && isRepeatableTool(entry.own) ? derive(own, { begin: undefined }) : own;
    const result = await this.#run(entry.server, quiet);
    this.#tasks.note(call.caller, entry.server, result);
    return result;
  }

  /** @throws {ExaiError} naming the servers that could not be asked and why, where there are any */
  async #search(kind: "tools" | "prompts", name: string, call: Call): Promise<CatalogEntry> {
    const { entry, missing, renamed } = await this.#catalog.search(kind, name, call);
    if (entry) return entry;
    const names = [...renamed].filter(([name, entry]) =>
      kind !== "tools" || this.#view.shows(name, entry, call.caller)
    ).map(([name]) => name);
    const now = names.length > 0 ? `several servers have one: it is ${names.join(" or ")} now; ` : "";
    const advice = kind === "tools" ? this.#view.adviceFor(call.caller) : `${kind}/list names them all`;
    throw unknownName(kind, name, { missing, advice: `${now}${advice}`, isRenamed: names.length > 0 });
  }

  async #complete(call: Call): Promise<Result> {
    const ref = isObject(call.params.ref) ? call.params.ref : {};
    if (ref.type === "ref/resource") {
      return await this.#resources.lead(call, (server, call) => this.#run(server, call), ref.uri ?? null);
    }
    const name = textOf(ref.name);
    if (name === undefined) throw new ExaiError("INVALID_PARAMS", "ref.name must be a text");
    const entry = await this.#catalog.find("prompts", name, call) ??
      await this.#search("prompts", name, call);
    const params = { ...call.params, ref: { ...ref, name: entry.own.name } };
    return await this.#run(entry.server, derive(call, { params }));
  }

  #run(server: Server, call: Call): Promise<Result> {
    return targetOf(server, this.#working, this.#options.policiesFor)(call);
  }

  #ask(server: Server, call: Call): Promise<Result> {
    return targetOf(server, this.#querying, this.#options.queryPoliciesFor)(call);
  }

  #one(name: string): Server {
    const server = this.#options.servers().find((server) => server.name === name);
    if (server) return server;
    const known = this.serverNames.join(", ");
    throw new ExaiError("INVALID_PARAMS", `there is no server ${JSON.stringify(name)}; there are: ${known}`);
  }

  #seenBy(caller: Caller): readonly Server[] {
    const servers = this.#options.servers();
    return caller.server === undefined ? servers : servers.filter(({ name }) => name === caller.server);
  }
}

/** Notifications of a client that each server may need: of its roots, and of the tasks it runs for a server. */
const FOR_ANY_SERVER = new Set(["notifications/roots/list_changed", "notifications/tasks/status"]);

/** What the merged catalog offers, whatever is mounted at the moment: servers come and go while a session lasts. */
const CAPABILITIES: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
};

function targetOf(
  server: Server,
  known: WeakMap<Server, Target>,
  policiesFor: (server: Server) => readonly Policy[],
): Target {
  let target = known.get(server);
  if (!target) known.set(server, target = compose(server.target, policiesFor(server)));
  return target;
}

function isFrontName({ method, params, caller }: Call): boolean {
  return method === "tools/call" && caller.server === undefined &&
    (params.name === CALL_TOOL || params.name === FIND_TOOL);
}

/** Whether `method` names a notification (MCP basic, messages): all of them begin so, and no request does. */
function isNotificationName(method: string): boolean {
  return method.startsWith("notifications/");
}

function noSuchMethod(method: string): ExaiError {
  return new ExaiError("METHOD_NOT_FOUND", `this server has no method ${method}`);
}
