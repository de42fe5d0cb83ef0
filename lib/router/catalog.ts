import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import { publicNames } from "./names.ts";

const log = getLogger(["exai", "router"]);

/** One entry of a merged list and the server it leads to. */
export interface Entry {
  server: Server;
  /** As the server describes it. */
  own: JsonObject;
}

export interface CatalogOptions {
  servers: () => readonly Server[];
  /** How long one server may take for a list before it is left out, in milliseconds. */
  deadlineMs: number;
}

/** What tells the entries of each list apart. */
const KEY: Readonly<Record<ListKind, string>> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  templates: "uriTemplate",
};

/** The merged lists as each session sees them. */
export class Catalog {
  readonly #options: CatalogOptions;
  /** The entries each session was shown last, by the key it knows them by. */
  readonly #shown = new Map<string, Map<ListKind, Map<string, Entry>>>();
  /** Lists that missed their deadline and are still awaited: they are not waited for twice. */
  readonly #late = new Set<string>();

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** Something in the lists has changed: what sessions were shown no longer leads anywhere. */
  invalidate(): void {
    this.#shown.clear();
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.#shown.delete(caller.id);
  }

  /** The merged list of `kind` for the caller of `call`, in the order of the servers, by public name or URI. */
  async list(kind: ListKind, call: Call): Promise<Map<string, Entry>> {
    const lists = await Promise.all(
      this.#options.servers().map((server) => this.#listOf(server, kind, call)),
    );
    const entries = byKey(kind, lists.flat());
    const shown = this.#shown.get(call.caller.id);
    if (shown) shown.set(kind, entries);
    else if (call.caller.server === undefined) this.#shown.set(call.caller.id, new Map([[kind, entries]]));
    return entries;
  }

  /** The entry the caller of `call` knows as `key`; asked for anew when it was not shown one. */
  find(kind: ListKind, key: string, call: Call): Entry | undefined | Promise<Entry | undefined> {
    const known = this.#shown.get(call.caller.id)?.get(kind)?.get(key);
    return known ?? this.list(kind, call).then((entries) => entries.get(key));
  }

  // One bad server never delays or fails the others: it is left out, and the session told when it has come round.
  async #listOf(server: Server, kind: ListKind, call: Call): Promise<Entry[]> {
    const key = `${server.name} ${kind} ${call.caller.id}`;
    const asked = this.#ask(server, kind, call);
    const waitMs = this.#late.has(key) ? 0 : this.#options.deadlineMs;
    const late = Symbol("late");
    const { promise: deadline, resolve } = Promise.withResolvers<typeof late>();
    const timer = setTimeout(() => resolve(late), waitMs);
    try {
      const list = await untilAborted(Promise.race([asked, deadline]), call.signal);
      if (list !== late) return list.map((own) => ({ server, own }));
      if (waitMs > 0) this.#awaitLate(asked, { key, kind, caller: call.caller });
    } catch (thrown) {
      if (call.signal.aborted) throw thrown;
      log.warning("{server} is left out of {kind}: {message}", {
        server: server.name,
        kind,
        message: messageOf(thrown),
      });
    } finally {
      clearTimeout(timer);
    }
    return [];
  }

  // The list is wanted beyond this call, so the call's end does not take it back.
  #ask(server: Server, kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    const lasting = derive(call, { signal: NEVER, progressToken: undefined });
    return Promise.resolve().then(() => server.list(kind, lasting));
  }

  #awaitLate(asked: Promise<unknown>, late: { key: string; kind: ListKind; caller: Caller }): void {
    this.#late.add(late.key);
    asked.then(() => {
      this.invalidate();
      late.caller.notify(`notifications/${late.kind === "templates" ? "resources" : late.kind}/list_changed`);
    }).catch(() => {}).finally(() => this.#late.delete(late.key));
  }
}

const NEVER = new AbortController().signal;

function byKey(kind: ListKind, entries: readonly Entry[]): Map<string, Entry> {
  const key = KEY[kind];
  if (key !== "name") {
    // A URI is what it is; where two servers offer the same one, the first answers for it.
    const first = new Map<string, Entry>();
    for (const entry of entries) {
      const uri = String(entry.own[key]);
      if (!first.has(uri)) first.set(uri, entry);
    }
    return first;
  }
  const names = publicNames(
    entries.map(({ server, own }) => ({ server: server.name, name: String(own.name) })),
  );
  return new Map(entries.map((entry, i) => [names[i]!, entry]));
}
