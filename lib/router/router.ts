import { ExaiError } from "../base/errors.ts";
import { isObject, ownEntry, textOf } from "../base/json.ts";
import {
  type Call,
  type Caller,
  compose,
  derive,
  paramOf,
  type Policy,
  type Target,
  withOwnName,
  withOwnRef,
} from "../call/call.ts";
import type { ListChangeFilter } from "../call/list_changes.ts";
import type { Server } from "../call/server.ts";
import { isForeignMethod } from "../wire/era_methods.ts";
import { isIdempotentTool } from "../wire/idempotency.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { Catalog } from "./catalog.ts";
import type { ChangeCounts } from "./change_counts.ts";
import { ClientLists } from "./client_lists.ts";
import type { CatalogEntry } from "./entries.ts";
import { askExtension, listSkills, noSuchMethod } from "./extensions.ts";
import { Guide, type GuideOptions } from "./guide.ts";
import { serversNamed, unknownName, unmountedServer } from "./missing.ts";
import type { PublicNames } from "./public_names.ts";
import { ResourceFinder } from "./resources.ts";
import { withPublicLinks } from "./scoped_results.ts";
import { type ServerPolicies, ServerTargets } from "./server_targets.ts";
import { TaskRoutes } from "./tasks.ts";
import { callThrough, FIND_TOOL, isSearchToolName } from "./tool_search.ts";
import { ToolView, type ToolViewOptions } from "./tool_view.ts";
import { withheldOf } from "./withheld.ts";

export interface RouterOptions extends ToolViewOptions, GuideOptions, ServerPolicies {
  servers: () => readonly Server[];
  /** Policies of every call that does work, applied before its server is known. */
  policies: readonly Policy[];
  /** How long a list waits for a server whose own is not known before it is given without, in milliseconds. */
  listDeadlineMs: number;
  /** How long a server may take for other answers before others are tried, in milliseconds; as above by default. */
  answerDeadlineMs?: number;
  /** Whether results of the server may not match their output schemas, so that the schemas are not shown. */
  hidesOutputSchemas?(server: Server): boolean;
  /** Answers a request about a task of the daemon's own; undefined for any other. */
  answerTask?(call: Call): Promise<Result> | undefined;
  /** The names of tools and prompts. Default: kept as long as the router. */
  names?: PublicNames;
}

type MethodHandler = (call: Call) => Promise<Result>;

/** Notifications that any server may need: changed roots, and the status of tasks that the client runs. */
const FOR_ANY_SERVER = new Set(["notifications/roots/list_changed", "notifications/tasks/status"]);

/** Dispatches every MCP method of clients to the server it is for: in the merged catalog, or of one server alone. */
export class Router {
  /** What each caller has of tools. */
  readonly tools: Pick<ClientLists, "allTools" | "toolNamed">;
  readonly #options: RouterOptions;
  readonly #catalog: Catalog;
  readonly #view: ToolView;
  readonly #lists: ClientLists;
  readonly #guide: Guide;
  readonly #resources: ResourceFinder;
  readonly #tasks = new TaskRoutes();
  readonly #work: Target;
  readonly #find: Target;
  readonly #targets: ServerTargets;
  readonly #handlers: Readonly<Record<string, MethodHandler>>;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#targets = new ServerTargets(options);
    const catalogOptions = {
      servers: options.servers,
      deadlineMs: options.listDeadlineMs,
      answerMs: options.answerDeadlineMs,
      hidesOutputSchemas: options.hidesOutputSchemas,
      names: options.names,
    };
    this.#catalog = new Catalog(catalogOptions);
    this.#view = new ToolView(this.#catalog, options);
    this.#guide = new Guide(this.#view, options);
    this.tools = this.#lists = new ClientLists({
      catalog: this.#catalog,
      view: this.#view,
      servers: options.servers,
      askAlone: (call) => this.#askAlone(call),
    });
    this.#resources = new ResourceFinder(this.#catalog, catalogOptions);
    this.#work = compose((call) => this.#dispatch(call), options.policies);
    this.#find = compose((call) => this.#view.find(call), options.policies);
    this.#handlers = {
      "initialize": (call) => this.#guide.initialize(call),
      "logging/setLevel": this.#orAlone((call) => this.#setLevel(call)),
      "tools/list": (call) => this.#lists.list("tools", call),
      "prompts/list": (call) => this.#lists.list("prompts", call),
      "resources/list": (call) => this.#lists.list("resources", call),
      "resources/templates/list": (call) => this.#lists.list("templates", call),
      "tasks/list": this.#orAlone((call) => this.#listTasks(call)),
      "skills/list": this.#orAlone((call) =>
        listSkills(call, options.servers(), (server, call) => this.#targets.query(server)(call))
      ),
    };
  }

  /** Handles one request of any session. */
  readonly target: Target = (call) => {
    // A notification sent as a request would reach a shared server with ids of other sessions.
    if (isNotificationName(call.method)) return Promise.reject(noSuchMethod(call.method));
    const handler = ownEntry(this.#handlers, call.method);
    if (handler) return handler(call);
    const answered = this.#options.answerTask?.(call);
    if (answered) return answered;
    return isSearchToolName(call) ? this.#workBySearch(call) : this.#work(call);
  };

  /** Names of the servers that can be used alone, at `/mcp/NAME`. */
  get serverNames(): string[] {
    return this.#guide.serverNames;
  }

  /** Decides which clients are notified of changed lists. */
  get listChanges(): ListChangeFilter {
    return this.#lists.changes;
  }

  /** How often clients were notified that their lists have changed, and why. */
  get changeCounts(): ChangeCounts {
    return this.#lists.counts;
  }

  /** A list of some server has changed. */
  invalidate(): void {
    this.#catalog.invalidate();
  }

  /**
   * Forwards a notification of a client that belongs to no call. From a session of the merged catalog only notifications
   * with a known receiver are forwarded: nothing is broadcast.
   */
  notify(caller: Caller, method: string, params: Params): void {
    // The daemon has sent it to each server itself, once for all sessions.
    if (method === "notifications/initialized") {
      for (const server of this.#seenBy(caller)) void server.prepare?.(caller);
      return;
    }
    // A request sent as a notification would run without an answer, a permit and a record.
    if (!isNotificationName(method)) return;
    if (caller.server === undefined && !FOR_ANY_SERVER.has(method)) return;
    for (const server of this.#seenBy(caller)) server.notify?.(caller, method, params);
  }

  /** Releases what is held for a session that has ended. */
  detach(caller: Caller): void {
    this.#catalog.forget(caller);
    this.#view.forget(caller);
    this.#lists.changes.forget(caller);
    this.#tasks.forget(caller);
    for (const server of this.#options.servers()) server.detach?.(caller);
  }

  /** Whether `caller` may use a tool of the server, as far as that is known. */
  sees(caller: Caller, server: string): boolean {
    return this.#guide.sees(caller, server);
  }

  /** `handler` for the merged catalog; a session of one server alone asks that. */
  #orAlone(handler: MethodHandler): MethodHandler {
    return (call) => call.caller.server === undefined ? handler(call) : this.#askAlone(call);
  }

  async #askAlone(call: Call): Promise<Result> {
    return await this.#targets.query(this.#guide.serverNamed(call.caller.server!))(call);
  }

  #setLevel(call: Call): Promise<Result> {
    for (const server of this.#options.servers()) server.logLevelChanged?.(call.caller);
    return Promise.resolve({ result: {} });
  }

  // The tool that call_tool names passes every policy as if it were called directly.
  async #workBySearch(call: Call): Promise<Result> {
    if (!await this.#view.isSearchCall(call)) return await this.#work(call);
    return paramOf(call, "name") === FIND_TOOL ? await this.#find(call) : await this.#work(callThrough(call));
  }

  async #listTasks(call: Call): Promise<Result> {
    const { listDeadlineMs, answerDeadlineMs = listDeadlineMs } = this.#options;
    return await this.#tasks.list(
      call,
      (server, call) => this.#targets.query(server)(call),
      answerDeadlineMs,
    );
  }

  /** Dispatches a call that does work; `tools/call`, the most frequent, without an additional promise. */
  #dispatch(call: Call): Promise<Result> {
    const isToolCall = call.method === "tools/call" && call.caller.server === undefined;
    return isToolCall ? this.#named("tools", call) : this.#dispatchByMethod(call);
  }

  async #dispatchByMethod(call: Call): Promise<Result> {
    if (call.caller.server !== undefined) {
      return await this.#targets.work(this.#guide.serverNamed(call.caller.server))(call);
    }
    switch (call.method) {
      case "prompts/get":
        return await this.#named("prompts", call);
      case "resources/read":
      case "resources/directory/read":
      case "skills/get":
      case "resources/subscribe":
      case "resources/unsubscribe":
        return await this.#resources.lead(call, (server, call) => this.#targets.work(server)(call));
      case "completion/complete":
        return await this.#complete(call);
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
        return await this.#targets.work(this.#tasks.serverOf(call))(call);
      default:
        if (!isForeignMethod(call.method)) throw noSuchMethod(call.method);
        return await askExtension(call, this.#options.servers(), this.#targets);
    }
  }

  async #named(kind: "tools" | "prompts", call: Call): Promise<Result> {
    const name = paramOf(call, "name");
    if (typeof name !== "string") throw new ExaiError("INVALID_PARAMS", "name must be a text");
    const found = this.#catalog.find(kind, name, call);
    const asked = found instanceof Promise ? await found : found;
    const entry = asked ?? withheldOf(call, name, { ...this.#options, kind }) ??
      await this.#search(kind, name, call);
    if (kind === "tools") {
      const shown = entry.name === name ? name : this.#catalog.nameOf(kind, entry, call.caller);
      this.#view.check(shown ?? name, entry, call.caller);
    }
    const forServer = entry.own.name === name ? call : withOwnName(call, entry.own.name as string, name);
    // A call that may be repeated need not be written to the journal.
    const work = call.begin && isIdempotentTool(entry.own)
      ? derive(forServer, { begin: undefined })
      : forServer;
    const result = await this.#targets.work(entry.server)(work);
    this.#tasks.note(call.caller, entry.server, result);
    return withPublicLinks(result, entry.server.name);
  }

  /** @throws {ExaiError} naming the servers that could not be asked and why, if any */
  async #search(kind: "tools" | "prompts", name: string, call: Call): Promise<CatalogEntry> {
    const unmounted = this.#options.unmounted?.ofTool(name);
    const isNamed = unmounted !== undefined && name.startsWith(`${unmounted.server}__`);
    // No other server is waited for where the name says that it is of this one.
    if (isNamed && serversNamed(this.#options.servers(), name).length === 0) {
      throw unmountedServer(kind, name, { trouble: unmounted });
    }
    const { entry, missing, renamed } = await this.#catalog.search(kind, name, call);
    if (entry) return entry;
    for (const server of kind === "tools" ? this.#options.servers() : []) {
      const why = server.whyNotOffered?.(name, call.caller);
      if (why !== undefined) throw new ExaiError("TOOL_NOT_FOUND", why);
    }
    const names = [...renamed].filter(([name, entry]) =>
      kind !== "tools" || this.#view.shows(name, entry, call.caller)
    ).map(([name]) => name);
    const advice = kind === "tools" ? this.#view.adviceFor(call.caller) : `${kind}/list names them all`;
    throw unmounted
      ? unmountedServer(kind, name, { trouble: unmounted, alike: names })
      : unknownName(kind, name, { missing, advice, alike: names });
  }

  async #complete(call: Call): Promise<Result> {
    const given = paramOf(call, "ref");
    const ref = isObject(given) ? given : {};
    if (ref.type === "ref/resource") {
      return await this.#resources.lead(
        call,
        (server, call) => this.#targets.work(server)(call),
        ref.uri ?? null,
      );
    }
    const name = textOf(ref.name);
    if (name === undefined) throw new ExaiError("INVALID_PARAMS", "ref.name must be a text");
    const entry = await this.#catalog.find("prompts", name, call) ??
      await this.#search("prompts", name, call);
    return await this.#targets.work(entry.server)(withOwnRef(call, entry.own.name as string));
  }

  #seenBy(caller: Caller): readonly Server[] {
    const servers = this.#options.servers();
    return caller.server === undefined ? servers : servers.filter(({ name }) => name === caller.server);
  }
}

/** Whether `method` is that of a notification (MCP basic, messages). */
function isNotificationName(method: string): boolean {
  return method.startsWith("notifications/");
}
