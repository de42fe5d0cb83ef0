import type { SearchMode } from "../config/settings.ts";
import { ExaiError } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import { type Call, type Caller, paramOf } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Result } from "../wire/rpc.ts";
import type { Catalog } from "./catalog.ts";
import { type CatalogEntry, shownAs, type ShownTools } from "./entries.ts";
import type { ServerText } from "./instructions.ts";
import { qualifiedName } from "./names.ts";
import { configuredName } from "./tool_names.ts";
import { CALL_TOOL, FIND_TOOL, findTools, SEARCH_TOOLS } from "./tool_search.ts";
import type { ToolSet, ToolSets } from "./tool_set.ts";

/** How the merged tools are shown to clients; all of them by default. */
export interface ToolViewOptions {
  /** The tool sets in force. */
  toolSets?: () => ToolSets;
  /** Whether windows see a few tools and find the others, where their tool set does not say. */
  search?: SearchMode;
  /** From how many characters of all definitions on `auto` is `on`. */
  searchChars?: number;
  /** Whether this tool is also shown to a window that finds its tools by search. */
  isCore?(name: string, entry: CatalogEntry): boolean;
}

/** The merged tools as each client sees them: its tool set, or the core tools with the two search tools. */
export class ToolView {
  readonly #catalog: Catalog;
  readonly #options: ToolViewOptions;
  /** Sessions that were last shown the search tools. */
  readonly #searching = new WeakSet<Caller>();

  constructor(catalog: Catalog, options: ToolViewOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  /** The tools as `tools/list` shows them to `caller`. */
  show(entries: ShownTools, caller: Caller): JsonObject[] {
    const { tools, isSearch } = this.#shown(entries, caller);
    if (isSearch) this.#searching.add(caller);
    else this.#searching.delete(caller);
    return tools;
  }

  /** The tools that `caller` would be shown. */
  preview(entries: ShownTools, caller: Caller): JsonObject[] {
    return this.#shown(entries, caller).tools;
  }

  #shown(entries: ShownTools, caller: Caller): { tools: JsonObject[]; isSearch: boolean } {
    const seen = this.#seen(entries, caller);
    const all = Array.from(seen, ([name, entry]) => shownAs(name, entry));
    if (!this.#wantsSearch(all, caller)) return { tools: all, isSearch: false };
    const { isCore = () => false } = this.#options;
    const core = Array.from(seen).filter(([name, entry]) => isCore(name, entry) || isStandIn(entry));
    const shown = core.map(([name, entry]) => shownAs(name, entry));
    const others = shown.filter(({ name }) => name !== FIND_TOOL && name !== CALL_TOOL);
    return { tools: [...others, ...SEARCH_TOOLS], isSearch: true };
  }

  /**
   * What servers say of their tools, for the instructions of `caller`: of those that it sees. Where it is shown the
   * search tools in their place, the names of the servers help it to search.
   */
  async textsFor(
    servers: readonly Server[],
    call: Call,
  ): Promise<{ texts: ServerText[]; searchable: string[] }> {
    const { caller } = call;
    const seen = servers.filter((server) => server.known !== undefined && this.sees(server, caller));
    if (await this.#isLikelyToSearch(servers, call)) {
      return { texts: [], searchable: seen.map(({ name }) => name) };
    }
    const texts = seen.flatMap((server) => {
      const instructions = server.known?.(caller).instructions ?? "";
      return instructions.trim() === "" ? [] : [{ server: server.name, instructions }];
    });
    return { texts, searchable: [] };
  }

  /** Whether `caller` sees a tool of the server, or whatever it offers where it is known to have no tools. */
  sees(server: Server, caller: Caller): boolean {
    const tools = server.known?.(caller).tools ?? [];
    return tools.length === 0 || tools.some((own) => this.#seesOwn(server, own, caller));
  }

  #seesOwn(server: Server, own: JsonObject, caller: Caller): boolean {
    const name = configuredName(textOf(own.name) ?? "", server);
    const entry = { server, name, own };
    return this.shows(name, entry, caller) ||
      this.shows(qualifiedName({ server: server.name, name }), entry, caller);
  }

  async #isLikelyToSearch(servers: readonly Server[], call: Call): Promise<boolean> {
    const { caller } = call;
    // Only `auto` needs the definitions; what is not known yet is not counted.
    if (this.#modeOf(caller) !== "auto") return this.#wantsSearch([], caller);
    const lists = await Promise.all(servers.map(async (server) => {
      const tools = server.known ? server.known(caller).tools ?? [] : await server.list("tools", call);
      return tools.filter((own) => this.#seesOwn(server, own, caller));
    }));
    return this.#wantsSearch(lists.flat(), caller);
  }

  /** Drops the state of a session that has ended. */
  forget(caller: Caller): void {
    this.#searching.delete(caller);
  }

  /** Whether the caller's tool set shows the tool. */
  shows(name: string, entry: CatalogEntry, caller: Caller): boolean {
    const set = this.#setOf(caller);
    return set === undefined || set.shows(name, entry) || this.#standsForSeen(entry, set, caller);
  }

  /** Whether a tool is shown in place of others, of which the set shows one. */
  #standsForSeen(entry: CatalogEntry, set: ToolSet, caller: Caller): boolean {
    const { server } = entry;
    if (!isStandIn(entry)) return false;
    return (server.known?.(caller).tools ?? []).some((own) => {
      const name = configuredName(textOf(own.name) ?? "", server);
      const named = { server, name, own };
      return set.shows(name, named) || set.shows(qualifiedName({ server: server.name, name }), named);
    });
  }

  /** @throws {ExaiError} `TOOL_NOT_FOUND` when the caller's tool set hides the tool, naming the entry in mcp.json */
  check(name: string, entry: CatalogEntry, caller: Caller): void {
    if (this.shows(name, entry, caller)) return;
    const set = this.#setOf(caller)!;
    throw new ExaiError(
      "TOOL_NOT_FOUND",
      `the tool ${name} is hidden from this client by clients[${
        JSON.stringify(set.config.client)
      }] in mcp.json; change ` +
        "include or exclude there to show it",
    );
  }

  /** Advice for the error of an unknown tool. */
  adviceFor(caller: Caller): string {
    return this.#searching.has(caller)
      ? `${FIND_TOOL} finds tools by what they do`
      : "tools/list names them all";
  }

  /** Whether a call that names one of the search tools means it, and not a tool of a server with that name. */
  async isSearchCall(call: Call): Promise<boolean> {
    const name = paramOf(call, "name") as string;
    if (this.#searching.has(call.caller)) return true;
    // After a restart of the daemon a client may not have listed the tools again.
    return this.#modeOf(call.caller) !== "off" && await this.#catalog.find("tools", name, call) === undefined;
  }

  /** Answers a call of `find_tool`. */
  async find(call: Call): Promise<Result> {
    const entries = await this.#catalog.current("tools", call);
    return { result: findTools(call, this.#seen(entries, call.caller)) };
  }

  #seen(entries: ShownTools, caller: Caller): ShownTools {
    const set = this.#setOf(caller);
    if (set === undefined) return entries;
    return seenIn(entries, set, (entry) => this.#standsForSeen(entry, set, caller));
  }

  #wantsSearch(all: readonly JsonObject[], caller: Caller): boolean {
    const mode = this.#modeOf(caller);
    if (mode !== "auto") return mode === "on";
    return JSON.stringify(all).length > (this.#options.searchChars ?? Infinity);
  }

  #modeOf(caller: Caller): SearchMode {
    return this.#setOf(caller)?.config.search ?? this.#options.search ?? "off";
  }

  #setOf({ client }: Caller): ToolSet | undefined {
    return this.#options.toolSets?.()(client?.name);
  }
}

const filtered = new WeakMap<ShownTools, Map<ToolSet, ShownTools>>();

/** The tools of a list that a tool set shows; cached, since the search index is keyed by the object. */
function seenIn(
  entries: ShownTools,
  set: ToolSet,
  standsForSeen: (entry: CatalogEntry) => boolean,
): ShownTools {
  let bySet = filtered.get(entries);
  if (!bySet) filtered.set(entries, bySet = new Map());
  let seen = bySet.get(set);
  if (!seen) {
    const shown = [...entries].filter(([name, entry]) => set.shows(name, entry) || standsForSeen(entry));
    bySet.set(set, seen = new Map(shown));
  }
  return seen;
}

/** Whether a tool is shown in place of all others of its server. */
function isStandIn({ server, own }: CatalogEntry): boolean {
  return server.standIn !== undefined && own.name === server.standIn;
}
