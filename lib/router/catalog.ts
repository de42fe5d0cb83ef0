import { getLogger } from "@logtape/logtape";
import { deadline } from "@std/async/deadline";
import { untilAborted } from "../base/abort.ts";
import { messageOf } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import { waitingFor } from "../call/wait.ts";
import { eligible, type Missing, outcomeOf, waitOf } from "./missing.ts";
import { publicNames } from "./names.ts";

const log = getLogger(["exai", "router"]);

/** One entry of a merged list and the server it leads to. */
export interface Entry {
  server: Server;
  /** As the server describes it. */
  own: JsonObject;
}

/** The merged tools as one window may see them, by public name. */
export type ShownTools = ReadonlyMap<string, Entry>;

/** `entry` under the name the merged catalog has for it. */
export function shownAs(name: string, { own }: Entry): JsonObject {
  return own.name === undefined || own.uri !== undefined || own.uriTemplate !== undefined || own.name === name
    ? own
    : { ...own, name };
}

export interface CatalogOptions {
  servers: () => readonly Server[];
  /** How long one server may take for a list before it is left out, in milliseconds. */
  deadlineMs: number;
  /** Whether results of the server's tools may be other than their output schemas say, so that none are shown. */
  hidesOutputSchemas?(server: Server): boolean;
}

/** What tells the entries of each list apart. */
const KEY: Readonly<Record<ListKind, string>> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  templates: "uriTemplate",
};

/** What a session was shown last of one kind, by the key it knows each entry by, and when. */
interface Shown {
  entries: Map<string, Entry>;
  /** The same, with those that stand behind another of the same key. */
  all: readonly Entry[];
  missing: readonly Missing[];
  generation: number;
  /** Entries found to be there still after the lists had changed, and as of when. */
  confirmed: { keys: Set<string>; generation: number };
}

/** The merged lists as each session sees them. */
export class Catalog {
  readonly #options: CatalogOptions;
  readonly #shown = new Map<string, Map<ListKind, Shown>>();
  /** The lists of each server that missed their deadline the last time: nobody waits for those again. */
  readonly #late = new WeakMap<Server, Set<ListKind>>();
  /** Who is told when a late list has come. */
  readonly #awaiting = new Set<string>();
  /** How often the lists have changed. */
  #generation = 0;

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** Something in the lists has changed: what sessions were shown need not be so any more. */
  invalidate(): void {
    this.#generation++;
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.#shown.delete(caller.id);
  }

  /** The merged list of `kind` for the caller of `call`, in the order of the servers, by public name or URI. */
  async list(kind: ListKind, call: Call): Promise<Map<string, Entry>> {
    return (await this.#listAll(kind, call)).entries;
  }

  async #listAll(kind: ListKind, call: Call): Promise<Shown> {
    // What changes while servers are asked makes the answer out of date.
    const generation = this.#generation;
    const lists = await Promise.all(
      this.#options.servers().map((server) => this.#listOf(server, kind, call)),
    );
    const all = lists.flatMap((list) => Array.isArray(list) ? list : []);
    const missing = lists.filter((list): list is Missing => !Array.isArray(list));
    const confirmed = { keys: new Set<string>(), generation };
    const shown: Shown = { entries: byKey(kind, all), all, missing, generation, confirmed };
    const byKind = this.#shown.get(call.caller.id);
    if (byKind) byKind.set(kind, shown);
    else this.#shown.set(call.caller.id, new Map([[kind, shown]]));
    return shown;
  }

  /** The servers that offer an entry of `kind` whose key passes `test`, in their order; several may offer the same. */
  async offering(kind: ListKind, test: (key: string) => boolean, call: Call): Promise<Server[]> {
    const { all } = await this.#listAll(kind, call);
    return [...new Set(all.filter(({ own }) => test(String(own[KEY[kind]]))).map(({ server }) => server))];
  }

  /**
   * The entry of a name that {@linkcode find} has not found: servers are asked once again, for not all announce what
   * changes, and those that are still starting are waited for, each within its start limit. What is missing at the end
   * may have it.
   */
  async search(
    kind: ListKind,
    name: string,
    call: Call,
  ): Promise<{ entry?: Entry; missing: readonly Missing[] }> {
    const again = await this.#refreshAll(kind, call);
    let shown = this.#shown.get(call.caller.id)?.get(kind);
    if (!shown || again || shown.generation !== this.#generation) shown = await this.#listAll(kind, call);
    const failed = new Map<Server, string>();
    for (;;) {
      const entry = shown.entries.get(name);
      if (entry) return { entry, missing: [] };
      const missing = eligible(shown.missing, name).map((one) => ({
        ...one,
        why: failed.get(one.server) ?? one.why,
      }));
      const coming = missing.filter((one) => one.coming && !failed.has(one.server));
      if (coming.length === 0) return { missing };
      const outcomes = coming.map((one) => outcomeOf(one, call));
      const [server, why] = await waitingFor(
        call,
        () => coming.map(({ server }) => waitOf(server, kind, call.caller)).join(", "),
        untilAborted(Promise.race(outcomes), call.signal),
      );
      // It is waited for once, whatever becomes of its next start.
      failed.set(server, why);
      shown = await this.#listAll(kind, call);
    }
  }

  /** Resolves with whether some server shows something else now. */
  async #refreshAll(kind: ListKind, call: Call): Promise<boolean> {
    const asked = this.#options.servers().map(async (server) => {
      if (!server.refresh) return false;
      return await deadline(server.refresh(kind, this.#lasting(call)), this.#options.deadlineMs).catch(() =>
        false
      );
    });
    const all = untilAborted(Promise.all(asked), call.signal);
    return (await waitingFor(call, "the servers' lists", all)).includes(true);
  }

  /** As {@linkcode list}; what the caller was shown last, where nothing has changed since. */
  async current(kind: ListKind, call: Call): Promise<Map<string, Entry>> {
    const shown = this.#shown.get(call.caller.id)?.get(kind);
    return shown?.generation === this.#generation ? shown.entries : await this.list(kind, call);
  }

  /** The entry the caller of `call` knows as `key`; asked for anew when it was not shown one. */
  find(kind: ListKind, key: string, call: Call): Entry | undefined | Promise<Entry | undefined> {
    const shown = this.#shown.get(call.caller.id)?.get(kind);
    const known = shown?.entries.get(key);
    if (shown && known && this.#isCurrent(shown, key)) return known;
    return this.#findAnew(kind, key, { call, shown });
  }

  #isCurrent({ generation, confirmed }: Shown, key: string): boolean {
    if (generation === this.#generation) return true;
    return confirmed.generation === this.#generation && confirmed.keys.has(key);
  }

  // Where the server still has it, no other server is waited for. A client need not list again after a change.
  async #findAnew(kind: ListKind, key: string, from: { call: Call; shown: Shown | undefined }) {
    const { call, shown } = from;
    const known = shown?.entries.get(key);
    if (shown && known && this.#options.servers().includes(known.server)) {
      const generation = this.#generation;
      const entries = await this.#listOf(known.server, kind, call);
      // A server that cannot say what it has is the one to say so: what it had is not gone.
      if (!Array.isArray(entries)) return known;
      const still = entries.find(({ own }) => own[KEY[kind]] === known.own[KEY[kind]]);
      if (still) {
        if (shown.confirmed.generation !== generation) shown.confirmed = { keys: new Set(), generation };
        shown.confirmed.keys.add(key);
        shown.entries.set(key, still);
        return still;
      }
    }
    return (await this.list(kind, call)).get(key);
  }

  // One bad server never delays or fails the others: it is left out, and the session told when it has come round.
  async #listOf(server: Server, kind: ListKind, call: Call): Promise<Entry[] | Missing> {
    const asked = this.#ask(server, kind, call);
    const late = Symbol("late");
    const { promise: tooLate, resolve } = Promise.withResolvers<typeof late>();
    const isLate = this.#late.get(server)?.has(kind);
    const timer = setTimeout(() => resolve(late), isLate ? 0 : this.#options.deadlineMs);
    try {
      const list = await waitingFor(
        call,
        () => waitOf(server, kind, call.caller),
        untilAborted(Promise.race([asked, tooLate]), call.signal),
      );
      if (list !== late) return this.#entriesOf(server, list);
      this.#awaitLate(asked, { server, kind, caller: call.caller });
      return { server, why: "it is still starting", coming: asked };
    } catch (thrown) {
      if (call.signal.aborted) throw thrown;
      const why = messageOf(thrown);
      log.warning("{server} is left out of {kind}: {message}", { server: server.name, kind, message: why });
      return { server, why };
    } finally {
      clearTimeout(timer);
    }
  }

  #entriesOf(server: Server, list: readonly JsonObject[]): Entry[] {
    if (!this.#options.hidesOutputSchemas?.(server)) return list.map((own) => ({ server, own }));
    return list.map(({ outputSchema: _, ...own }) => ({ server, own }));
  }

  // The list is wanted beyond this call, so the call's end does not take it back.
  #ask(server: Server, kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    const lasting = this.#lasting(call);
    return Promise.resolve().then(() => server.list(kind, lasting));
  }

  #lasting(call: Call): Call {
    return derive(call, { signal: NEVER, progressToken: undefined });
  }

  #awaitLate(asked: Promise<unknown>, by: { server: Server; kind: ListKind; caller: Caller }): void {
    const { server, kind, caller } = by;
    const late = this.#late.get(server);
    if (late) late.add(kind);
    else this.#late.set(server, new Set([kind]));
    const key = JSON.stringify([server.name, kind, caller.id]);
    if (this.#awaiting.has(key)) return;
    this.#awaiting.add(key);
    asked.then(() => {
      this.#late.get(server)?.delete(kind);
      this.invalidate();
      caller.notify(`notifications/${kind === "templates" ? "resources" : kind}/list_changed`);
    }).catch(() => {}).finally(() => this.#awaiting.delete(key));
  }
}

const NEVER = new AbortController().signal;

function byKey(kind: ListKind, all: readonly Entry[]): Map<string, Entry> {
  const key = KEY[kind];
  // What has no text for a key cannot be asked for.
  const entries = all.filter(({ own }) => textOf(own[key]) !== undefined);
  if (key !== "name") {
    // A URI is what it is; where two servers offer the same one, the first answers for it.
    const first = new Map<string, Entry>();
    for (const entry of entries) {
      const uri = textOf(entry.own[key])!;
      if (!first.has(uri)) first.set(uri, entry);
    }
    return first;
  }
  const names = publicNames(
    entries.map(({ server, own }) => ({ server: server.name, name: textOf(own.name)! })),
  );
  return new Map(entries.map((entry, i) => [names[i]!, entry]));
}
