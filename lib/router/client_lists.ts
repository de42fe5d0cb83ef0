import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import { freshnessHints, leastFresh } from "../call/freshness.ts";
import { type ListKind, LISTS, type Server } from "../call/server.ts";
import type { Result } from "../wire/rpc.ts";
import type { Catalog } from "./catalog.ts";
import { ChangeCounts } from "./change_counts.ts";
import { type CatalogEntry, type Listed, shownAs } from "./entries.ts";
import { ListChanges } from "./list_changes.ts";
import type { ShownList } from "./shown_list.ts";
import type { ToolView } from "./tool_view.ts";

interface ClientListsOptions {
  catalog: Catalog;
  view: ToolView;
  servers: () => readonly Server[];
  /** Asks the one server that the caller of `call` sees. */
  askAlone(call: Call): Promise<Result>;
}

/** How long lists may be kept of servers within the daemon, which tell what changes. */
const OWN_LISTS_MS = 30 * SECOND_MS;

const NEVER = new AbortController().signal;

/** The lists as clients are shown them, and the notifications that these have changed. */
export class ClientLists {
  /** How often clients were notified, and why. */
  readonly counts = new ChangeCounts();
  readonly changes: ListChanges;
  readonly #options: ClientListsOptions;

  constructor(options: ClientListsOptions) {
    this.#options = options;
    this.changes = new ListChanges({
      preview: (kind, caller) => this.#preview(kind, caller),
      counts: this.counts,
    });
  }

  /** Answers `call`, a request for the list of `kind`. */
  list(kind: ListKind, call: Call): Promise<Result> {
    return this.changes.show(kind, call.caller, async () => {
      if (call.caller.server !== undefined) {
        const answer = await this.#options.askAlone(call);
        return {
          answer,
          shown: call.params.cursor === undefined ? aloneOf(kind, answer, call.caller) : undefined,
        };
      }
      if (call.params.cursor !== undefined) {
        throw new ExaiError("INVALID_PARAMS", "cursor is none of this server's");
      }
      const listed = await this.#options.catalog.listed(kind, call);
      const shown = kind === "tools"
        ? this.#options.view.show(listed.entries, call.caller)
        : Array.from(listed.entries, ([name, entry]) => shownAs(name, entry));
      const result = { [LISTS[kind].field]: shown, ...this.#hints(kind, listed, call.caller) };
      return { answer: { result }, shown: this.#shownOf(listed, shown) };
    });
  }

  /** For how long the merged list may be kept; left out where a part of it is missing or may change at any time. */
  #hints(kind: ListKind, { missing }: Listed, caller: Caller): JsonObject {
    if (missing.length > 0) return {};
    const mounted = this.#options.servers().filter(({ freshness }) => freshness);
    const own = { untilMs: monotonicNow() + OWN_LISTS_MS, scope: "private" as const };
    const least = leastFresh([own, ...mounted.map((server) => server.freshness!(kind, caller))]);
    return least ? { ...freshnessHints(least) } : {};
  }

  /** Every tool for `caller`, those it would find by search too; that does not count as having been shown them. */
  async allTools(caller: Caller): Promise<Listed & { isHidden(name: string): boolean }> {
    const { catalog, view } = this.#options;
    const listed = await catalog.preview("tools", listCall("tools", caller));
    return { ...listed, isHidden: (name) => !view.shows(name, listed.entries.get(name)!, caller) };
  }

  /**
   * The definition of the tool that `caller` knows as `name`, in its server's words; undefined: it has none, or none that
   * is known yet. Never rejects.
   */
  async toolNamed(caller: Caller, name: string): Promise<JsonObject | undefined> {
    const { catalog, servers } = this.#options;
    const call = listCall("tools", caller);
    try {
      if (caller.server === undefined) return (await catalog.find("tools", name, call))?.own;
      const server = servers().find((one) => one.name === caller.server);
      return (await server?.list("tools", call))?.find((tool) => tool.name === name);
    } catch {
      return undefined;
    }
  }

  async #preview(kind: ListKind, caller: Caller): Promise<ShownList> {
    const call = listCall(kind, caller);
    if (caller.server !== undefined) {
      const shown = aloneOf(kind, await this.#options.askAlone(call), caller);
      if (shown) return shown;
      throw new ExaiError("INTERNAL", "the list has several pages");
    }
    const listed = await this.#options.catalog.preview(kind, call);
    const { view } = this.#options;
    const shown = kind === "tools"
      ? view.preview(listed.entries, caller)
      : Array.from(listed.entries, ([name, entry]) => shownAs(name, entry));
    return this.#shownOf(listed, shown);
  }

  #shownOf({ entries, missing }: Listed, shown: readonly JsonObject[]): ShownList {
    const mounted = new Set(this.#options.servers().map(({ name }) => name));
    const away = new Set(missing.map(({ server }) => server.name));
    const keyed = new Map(Array.from(entries.values(), (entry) => [entry.own, entry]));
    const rows = shown.map((definition) => {
      const entry = keyed.get(definition) ?? entries.get(String(definition.name));
      return { shown: definition, server: entry?.server.name, own: entry?.own ?? definition };
    });
    const listed = new Set([...mounted].filter((name) => !away.has(name)));
    return { entries: rows, own: ownLists(entries.values()), mounted, listed };
  }
}

/** A request for the list of `kind` that no client has made. */
function listCall(kind: ListKind, caller: Caller): Call {
  return {
    method: LISTS[kind].method,
    params: {},
    caller,
    signal: NEVER,
    progressToken: undefined,
    notify: () => {},
    ask: (method, params, options) => caller.ask(method, params, options),
  };
}

/** What each server lists. */
function ownLists(entries: Iterable<CatalogEntry>): Map<string, JsonObject[]> {
  const lists = new Map<string, JsonObject[]>();
  for (const { server: { name }, own } of entries) {
    const list = lists.get(name);
    if (list) list.push(own);
    else lists.set(name, [own]);
  }
  return lists;
}

/** The list in the answer of one server; undefined when it is a part of a list. */
function aloneOf(kind: ListKind, { result }: Result, { server }: Caller): ShownList | undefined {
  const list = result?.[LISTS[kind].field];
  if (result?.nextCursor !== undefined || !Array.isArray(list)) return undefined;
  const here = new Set(server === undefined ? [] : [server]);
  const entries = list.filter(isObject).map((shown) => ({ shown, server, own: shown }));
  const own = new Map(Array.from(here, (name) => [name, entries.map(({ own }) => own)]));
  return { entries, own, listed: here, mounted: here };
}
