import { ExaiError } from "../base/errors.ts";
import { fnv1a } from "../base/text.ts";
import { textOf } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { type Call, type Caller, paramOf } from "../call/call.ts";
import { isSameSession } from "../call/owner.ts";
import {
  type CalledName,
  CRASH_BACKOFF_MS,
  type CrashSuspect,
  STABLE_MS,
  type StartAttempt,
} from "./supervisor.ts";
import { BoundedMap } from "./bounded_map.ts";
import { isWorkMethod } from "./method_kind.ts";

/** Crashes in a row after which a call of one session is refused. */
const CALL_LIMIT = 3;
/** Crashes in a row under any calls of one session after which all its calls are refused. */
const SESSION_LIMIT = 9;
/** Calls suspected at most for one crash. */
const MAX_SUSPECTS = 16;
/** Calls remembered at most; beyond that the oldest are forgotten. */
const MAX_KEPT = 256;

interface Crash {
  session: string;
  /** Crashes in a row. */
  count: number;
  refusedUntilMs: number;
  lastError: string;
}

/** The session whose calls alone are among `calls`, left unanswered by a process; undefined: several, or none. */
export function suspectOf(calls: Iterable<Call | undefined>): CrashSuspect | undefined {
  let caller: Caller | undefined;
  const names = new Map<string, CalledName>();
  for (const call of calls) {
    if (!call || !isWorkMethod(call.method)) continue;
    caller ??= call.caller;
    if (!isSameSession(caller, call.caller)) return undefined;
    const name = nameOf(call);
    if (names.size < MAX_SUSPECTS) names.set(name.key, name);
  }
  return caller && { session: caller.id, calls: [...names.values()] };
}

/**
 * Calls under which a shared process keeps crashing while no call of another session is running. They are refused for a
 * while to the session that makes them, so that the process stays up for the others.
 */
export class CallCrashes {
  readonly #server: string;
  readonly #byCall = new BoundedMap<string, Crash>(MAX_KEPT);

  constructor(server: string) {
    this.#server = server;
  }

  /** Counts the end of a process that has ended by itself. */
  processEnded({ startedAtMs, suspect }: StartAttempt, reason: ExaiError, nowMs = monotonicNow()): void {
    if (!suspect || startedAtMs === undefined) return;
    const { session, calls } = suspect;
    for (const { key } of [...calls, { key: session }]) {
      const known = this.#byCall.get(key);
      const limit = key === session ? SESSION_LIMIT : CALL_LIMIT;
      const isInRow = known && (nowMs - startedAtMs < STABLE_MS || known.count >= limit);
      const count = isInRow ? known.count + 1 : 1;
      const refusedUntilMs = count >= limit ? nowMs + CRASH_BACKOFF_MS : 0;
      this.#byCall.delete(key);
      this.#byCall.set(key, { session, count, refusedUntilMs, lastError: reason.message });
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

  /** Forgets a session that has ended. */
  forget({ id }: Caller): void {
    for (const [key, { session }] of this.#byCall) if (session === id) this.#byCall.delete(key);
  }

  /** Forgets every crash. */
  clear(): void {
    this.#byCall.clear();
  }

  /** How many calls are remembered. */
  get size(): number {
    return this.#byCall.size;
  }
}

function nameOf(call: Call): CalledName {
  const { caller, method } = call;
  const name = textOf(paramOf(call, "name")) ?? textOf(paramOf(call, "uri"));
  const label = name === undefined
    ? visible(method)
    : `${method === "tools/call" ? "tool" : visible(method)} ${JSON.stringify(visible(name))}`;
  // `visible` may map two names to one label, so the key has a hash of the name too.
  return { key: `${caller.id} ${label} ${name === undefined ? "" : fnv1a(name)}`, label };
}
