import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";

/** How long the answer to a call may be left out before its caller is given a handle. */
export interface Patience {
  /** In milliseconds; Infinity: until there is an answer. */
  readonly waitMs: number;
  /** Whether progress begins the time anew. */
  readonly countsProgress: boolean;
}

/** For callers that wait for as long as it takes. */
export const ENDLESS: Patience = { waitMs: Infinity, countsProgress: true };

/** What is known of the time limits of clients, by the beginning of the name in `clientInfo`; docs/models.md has sources. */
const CLIENTS: readonly (readonly [name: string, limit: Patience])[] = [
  // 100,000 s (MCP_TOOL_TIMEOUT); for servers over HTTP also 5 minutes without progress.
  ["claude-code", { waitMs: 5 * MINUTE_MS, countsProgress: true }],
  ["opencode", { waitMs: 30 * SECOND_MS, countsProgress: true }],
  ["gemini-cli", { waitMs: 10 * MINUTE_MS, countsProgress: false }],
  // The command `exai-daemon call` ends with the answer, or when its user stops it.
  ["exai-daemon", ENDLESS],
];

/** The limit of the MCP SDKs, of Codex (`tool_timeout_sec`) and of mcporter; progress does not extend it. */
const UNKNOWN_CLIENT: Patience = { waitMs: 60 * SECOND_MS, countsProgress: false };

/** The share of a client's limit after which it gets a handle: what is left is for the way there and back. */
const SHARE = 0.75;

/** A client that cancels its calls sooner than this does not do so because its time is up. */
const MIN_LEARNED_MS = SECOND_MS / 4;

/** Names that are remembered: clients choose them. */
const MAX_NAMES = 1000;

/** How long clients wait for the answer to a call: what is known by their names, and what they have shown. */
export class ClientPatience {
  /** The shortest time after which a client gave a call up, by its name. */
  readonly #learnedMs = new Map<string, number>();

  of({ client }: Pick<Caller, "client">): Patience {
    const name = client?.name ?? "";
    const known = CLIENTS.find(([start]) => name.toLowerCase().startsWith(start))?.[1] ?? UNKNOWN_CLIENT;
    const learnedMs = this.#learnedMs.get(name);
    const limit = learnedMs === undefined || learnedMs >= known.waitMs
      ? known
      : { waitMs: learnedMs, countsProgress: false };
    return { ...limit, waitMs: limit.waitMs * SHARE };
  }

  /** A call of `caller` was given up `afterMs` after it came. */
  learn({ client }: Pick<Caller, "client">, afterMs: number): void {
    if (client === undefined || afterMs < MIN_LEARNED_MS) return;
    this.#learnedMs.set(client.name, Math.min(afterMs, this.#learnedMs.get(client.name) ?? Infinity));
    // A Map keeps insertion order.
    const [oldest] = this.#learnedMs.keys();
    if (this.#learnedMs.size > MAX_NAMES && oldest !== undefined) this.#learnedMs.delete(oldest);
  }
}
