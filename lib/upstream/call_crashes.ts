import { ExaiError } from "../base/errors.ts";
import { fnv1a } from "../base/text.ts";
import { textOf } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import type { Call, Caller } from "../call/call.ts";
import { isSameSession } from "../call/owner.ts";
import { type CallName, REST_MS, type StartAttempt, type Suspect, WELL_MS } from "./supervisor.ts";
import { doesWork } from "./work.ts";

/** So many crashes in a row under the same call of a session alone, and that call is refused. */
const CALL_LIMIT = 3;
/** The same of whatever a session called: then all its calls are. */
const SESSION_LIMIT = 9;
/** Of what one session had called when a process ended, so many are held to be the cause. */
const MAX_SUSPECTS = 16;
/** Calls that are remembered; beyond that the oldest are forgotten. */
const MAX_KEPT = 256;

interface Crash {
  session: string;
  /** How many in a row. */
  count: number;
  refusedUntilMs: number;
  lastError: string;
}

/** The one session whose calls are among `calls`, which a process has left unanswered; undefined: several, or none. */
export function suspectOf(calls: Iterable<Call | undefined>): Suspect | undefined {
  let caller: Caller | undefined;
  const names = new Map<string, CallName>();
  for (const call of calls) {
    if (!call || !doesWork(call.method)) continue;
    caller ??= call.caller;
    if (!isSameSession(caller, call.caller)) return undefined;
    const name = nameOf(call);
    if (names.size < MAX_SUSPECTS) names.set(name.key, name);
  }
  return caller && { session: caller.id, calls: [...names.values()] };
}

/**
 * Calls under which a process that several sessions share has crashed again and again while no other session's call was
 * under way: they are refused for a while, to the session that made them, so that the process can go on for the others.
 */
export class CallCrashes {
  readonly #server: string;
  readonly #byCall = new Map<string, Crash>();

  constructor(server: string) {
    this.#server = server;
  }

  /** A process has ended by itself. */
  ended({ startedAtMs, suspect }: StartAttempt, reason: ExaiError, nowMs = monotonicNow()): void {
    if (!suspect || startedAtMs === undefined) return;
    const { session, calls } = suspect;
    for (const { key } of [...calls, { key: session }]) {
      const known = this.#byCall.get(key);
      const limit = key === session ? SESSION_LIMIT : CALL_LIMIT;
      const isInRow = known && (nowMs - startedAtMs < WELL_MS || known.count >= limit);
      const count = isInRow ? known.count + 1 : 1;
      const refusedUntilMs = count >= limit ? nowMs + REST_MS : 0;
      this.#byCall.delete(key);
      this.#byCall.set(key, { session, count, refusedUntilMs, lastError: reason.message });
      if (this.#byCall.size > MAX_KEPT) this.#byCall.delete(this.#byCall.keys().next().value!);
    }
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` while the call is refused */
  check(call: Call, nowMs = monotonicNow()): void {
    if (this.#byCall.size === 0) return;
    const { key, label } = nameOf(call);
    this.#checkOne(key, { label, nowMs });
    this.#checkOne(call.caller.id, { label: "whatever it was asked", nowMs });
  }

  #checkOne(key: string, { label, nowMs }: { label: string; nowMs: number }): void {
    const known = this.#byCall.get(key);
    const forMs = (known?.refusedUntilMs ?? 0) - nowMs;
    if (!known || forMs <= 0) return;
    throw new ExaiError(
      "UPSTREAM_UNAVAILABLE",
      `server "${this.#server}" crashed ${known.count} times in a row on ${label}, called by this session alone: ` +
        `this session's calls of it are refused for ${
          Math.ceil(forMs / SECOND_MS)
        } s more, others are made; put ` +
        `right what it is called with or the server, then \`exai-daemon reload\` lets it be called at once; the last ` +
        `time: ${known.lastError}`,
      { retryAfterMs: Math.ceil(forMs), details: { server: this.#server, crashes: known.count } },
    );
  }

  /** A session is over. */
  forget({ id }: Caller): void {
    for (const [key, { session }] of this.#byCall) if (session === id) this.#byCall.delete(key);
  }

  /** The configuration was read again: the past does not count any more. */
  clear(): void {
    this.#byCall.clear();
  }

  /** How many calls are remembered. */
  get size(): number {
    return this.#byCall.size;
  }
}

function nameOf({ caller, method, params }: Call): CallName {
  const name = textOf(params.name) ?? textOf(params.uri);
  const label = name === undefined
    ? visible(method)
    : `${method === "tools/call" ? "tool" : visible(method)} ${JSON.stringify(visible(name))}`;
  // A hash beside what is shown of it: a name may be of any length.
  return { key: `${caller.id} ${label} ${name === undefined ? "" : fnv1a(name)}`, label };
}
