import { untilAborted, withDeadline } from "../base/abort.ts";
import type { Call } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import {
  ALL_LISTS,
  limitOf,
  type Missing,
  type MissingReason,
  type NameReport,
  outcomeOf,
  serversNamed,
  waitOf,
} from "./missing.ts";

interface NameSearchOptions {
  servers: () => readonly Server[];
  /** How long a server may take to list again, in milliseconds. */
  answerMs: number;
}

interface WantedName {
  kind: ListKind;
  name: string;
  /** The call that uses the name; its requests are not cancelled with it. */
  call: Call;
  signal: AbortSignal;
}

/** Asks servers for a name that is in none of their known lists, each once and all at once. */
export class NameSearch {
  readonly #options: NameSearchOptions;
  readonly #wanted: WantedName;
  /** The server of `server__name` alone, else all. */
  readonly #named: ReadonlySet<Server>;
  readonly #asked = new Set<Server>();
  readonly #pending = new Map<Server, Promise<NameReport>>();
  /** Those of them whose lists are on their way. */
  readonly #coming = new Set<Server>();
  readonly #failed = new Map<Server, MissingReason>();

  constructor(options: NameSearchOptions, wanted: WantedName) {
    this.#options = options;
    this.#wanted = wanted;
    this.#named = new Set(serversNamed(options.servers(), wanted.name));
  }

  /** Those of `missing` that may have the name, with what is known about why. */
  failuresOf(missing: readonly Missing[]): Missing[] {
    const candidates = this.#named.size > 0
      ? missing.filter(({ server }) => this.#named.has(server))
      : missing;
    return candidates.map((one) => ({ ...one, ...this.#failed.get(one.server) }));
  }

  /** What is being waited for. */
  get wait(): string {
    const { kind, call } = this.#wanted;
    return Array.from(this.#coming, (server) => waitOf(server, kind, call.caller)).join(", ") || ALL_LISTS;
  }

  /**
   * Resolves when the next server has answered, with whether its list may have the name now; undefined when none is left.
   *
   * @throws {ExaiError} `CANCELLED` when the call is given up
   */
  async next(missing: readonly Missing[]): Promise<boolean | undefined> {
    for (const server of this.#named.size > 0 ? this.#named : this.#options.servers()) {
      if (this.#asked.has(server)) continue;
      this.#asked.add(server);
      const asked = this.#ask(server, missing.find((one) => one.server === server));
      if (asked) this.#pending.set(server, asked);
    }
    if (this.#pending.size === 0) return undefined;
    const { server, isNews, reason } = await untilAborted(
      Promise.race(this.#pending.values()),
      this.#wanted.signal,
    );
    this.#pending.delete(server);
    this.#coming.delete(server);
    if (reason) this.#failed.set(server, reason);
    return isNews;
  }

  #ask(server: Server, missing: Missing | undefined): Promise<NameReport> | undefined {
    const { kind, call } = this.#wanted;
    const isNamed = this.#named.size > 0;
    const refresh = () => server.refresh?.(kind, call, { isNamed });
    if (missing?.coming) {
      this.#coming.add(server);
      // One that is named does not wait for its turn.
      if (isNamed) refresh()?.catch(() => {});
      return outcomeOf(missing, call, { isNamed });
    }
    // Its failure is known already; it is not started again for this name.
    if (missing) return undefined;
    const refreshed = refresh();
    const timeoutMs = isNamed ? limitOf(server, call) : this.#options.answerMs;
    return refreshed && withDeadline(refreshed, { timeoutMs })
      .then((isNews) => ({ server, isNews }), () => ({ server, isNews: false }));
  }
}
