import { ExaiError } from "../base/errors.ts";
import { Tally } from "../base/tally.ts";
import type { UsedState, UsedStateRecords } from "../call/used_states.ts";
import { ExpiringMap } from "./expiring_map.ts";
import { type OpenedState, STATE_TTL_MS } from "./sealed_states.ts";

/** States of one client that are remembered at once. */
const MAX_PER_CLIENT = 4096;

/** A use that this daemon remembers by itself. */
interface OwnUse extends UsedState {
  client: string;
}

/**
 * The states with which something was begun that must not run twice, each for as long as it could be sent again: also
 * after the result has gone, and after the daemon has.
 */
export class UsedStates implements Disposable {
  /** Names the daemon that gives states. */
  readonly daemon: string;
  readonly #records: UsedStateRecords | undefined;
  readonly #counts = new Tally();
  readonly #own = new ExpiringMap<OwnUse>({
    ttlMs: STATE_TTL_MS,
    max: Infinity,
    onDrop: ({ client }) => this.#counts.remove(client),
  });

  /** @param records where later daemons find them; undefined: they know of none */
  constructor(records: UsedStateRecords | undefined) {
    this.#records = records;
    this.daemon = records?.daemon ?? crypto.randomUUID();
  }

  get size(): number {
    return this.#own.size;
  }

  /** The use of `state`; undefined: there was none; `unknown`: an earlier daemon may have used it. */
  find({ key, daemon, content }: OpenedState): Pick<UsedState, "answers"> | "unknown" | undefined {
    const own = this.#own.get(key);
    if (own) return own;
    const found = this.#records ? this.#records.find(key, daemon) : "unknown";
    // Its own uses are forgotten by a clock that never jumps: where that of the system was set back, a state lives longer.
    if (daemon === this.daemon) return typeof found === "object" ? found : undefined;
    // A call that was parked may have gone on by itself.
    return found === undefined && content.kind === "parked" ? "unknown" : found;
  }

  /**
   * Remembers the use of a state with answers of this digest; a later daemon knows of it once this returns.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when its client has used too many: none may be forgotten
   */
  add({ key, client, expiresAtMs }: OpenedState, answers: string): void {
    if (this.#own.get(key)) return;
    if (this.#counts.of(client) >= MAX_PER_CLIENT) {
      const why = `this window has repeated ${MAX_PER_CLIENT} requests with a requestState within minutes`;
      throw new ExaiError("OVER_CAPACITY", `${why}, and not one may be forgotten: send it again later`, {
        retryAfterMs: STATE_TTL_MS,
      });
    }
    this.#counts.add(client);
    this.#own.set(key, { key, client, answers, expiresAtMs });
    this.#records?.add({ key, answers, expiresAtMs });
  }

  [Symbol.dispose](): void {
    this.#own[Symbol.dispose]();
  }
}
