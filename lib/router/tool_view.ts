import type { SearchMode } from "../config/settings.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Call, Caller } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import type { Catalog } from "./catalog.ts";
import { type CatalogEntry, shownAs, type ShownTools } from "./entries.ts";
import { CALL_TOOL, FIND_TOOL, findTools, SEARCH_TOOLS } from "./tool_search.ts";
import type { ToolSet, ToolSets } from "./tool_set.ts";

/** What windows are shown of the merged tools; everything unless said otherwise. */
export interface ToolViewOptions {
  /** The tool sets in force. */
  toolSets?: () => ToolSets;
  /** Whether windows see a few tools and find the others, where their tool set does not say. */
  search?: SearchMode;
  /** From how many characters of all definitions on `auto` is `on`. */
  searchChars?: number;
  /** Whether a window that finds its tools is shown this one all the same. */
  isCore?(name: string, entry: CatalogEntry): boolean;
}

/** The merged tools as each window sees them: its client's set, all of it or the core with the two that find the rest. */
export class ToolView {
  readonly #catalog: Catalog;
  readonly #options: ToolViewOptions;
  /** Sessions that were shown the search front last. */
  readonly #searching = new WeakSet<Caller>();

  constructor(catalog: Catalog, options: ToolViewOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  /** The tools as `tools/list` shows them to `caller`. */
  show(entries: ShownTools, caller: Caller): JsonObject[] {
    const seen = this.#seen(entries, caller);
    const all = Array.from(seen, ([name, entry]) => shownAs(name, entry));
    this.#searching.delete(caller);
    if (!this.#wantsSearch(all, caller)) return all;
    this.#searching.add(caller);
    const { isCore = () => false } = this.#options;
    const core = Array.from(seen).filter(([name, entry]) => isCore(name, entry));
    const shown = core.map(([name, entry]) => shownAs(name, entry));
    return [...shown.filter(({ name }) => name !== FIND_TOOL && name !== CALL_TOOL), ...SEARCH_TOOLS];
  }

  /** A session is over. */
  forget(caller: Caller): void {
    this.#searching.delete(caller);
  }

  /** Whether the caller's tool set shows the tool. */
  shows(name: string, entry: CatalogEntry, caller: Caller): boolean {
    return this.#setOf(caller)?.shows(name, entry) ?? true;
  }

  /** @throws {ExaiError} `TOOL_NOT_FOUND` when the caller's tool set hides the tool, with where that is said */
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

  /** What to say of a tool that is not there. */
  adviceFor(caller: Caller): string {
    return this.#searching.has(caller)
      ? `${FIND_TOOL} finds tools by what they do`
      : "tools/list names them all";
  }

  /** Whether a call that names one of the two tools of the search front means it. */
  async isFront(call: Call): Promise<boolean> {
    const name = call.params.name as string;
    if (this.#searching.has(call.caller)) return true;
    // After a restart of the daemon a window has not listed again; a server may have a tool of this name as well.
    return this.#modeOf(call.caller) !== "off" && await this.#catalog.find("tools", name, call) === undefined;
  }

  /** Answers a call of `find_tool`. */
  async find(call: Call): Promise<Result> {
    const entries = await this.#catalog.current("tools", call);
    return { result: findTools(call, this.#seen(entries, call.caller)) };
  }

  #seen(entries: ShownTools, caller: Caller): ShownTools {
    const set = this.#setOf(caller);
    return set === undefined ? entries : seenIn(entries, set);
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

/** One listing as a tool set leaves it; the same object each time, for the index of the search hangs on it. */
function seenIn(entries: ShownTools, set: ToolSet): ShownTools {
  let bySet = filtered.get(entries);
  if (!bySet) filtered.set(entries, bySet = new Map());
  let seen = bySet.get(set);
  if (!seen) bySet.set(set, seen = new Map([...entries].filter(([name, entry]) => set.shows(name, entry))));
  return seen;
}

const filtered = new WeakMap<ShownTools, Map<ToolSet, ShownTools>>();
