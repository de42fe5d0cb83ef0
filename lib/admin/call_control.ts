import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { currentWait } from "../call/wait.ts";
import { bodyText } from "../observe/body_text.ts";
import { type CallBodies, type CallFilter, type CallStore, passes } from "../observe/call_store.ts";
import { type CallRecord, payloadBytes, type RecordedExchange, toolOf } from "../observe/record.ts";
import { formatCallId, parseCallId, type RunningCall, RunningCalls } from "../observe/running.ts";
import type { Session } from "../session/session.ts";
import { CLOSE } from "../wire/codes.ts";

/** What stands for the outcome of a call that has none yet. */
const RUNNING = "running";

interface CallControlOptions {
  /** Where calls are kept; undefined when they are not. */
  store: CallStore | undefined;
  /** How much of an argument or an answer is kept, in UTF-16 code units. */
  maxBodyChars: number;
}

/** The sessions of the daemon, as far as the desk needs them. */
export interface Sessions extends Iterable<Session> {
  get(id: string): Session | undefined;
  end(session: Session, why: string): void;
}

/** Someone who watches calls end. */
type Watcher = (record: CallRecord) => void;

/** The calls of the daemon, those that run and those that were: to be looked at, followed and ended. */
export class CallControl {
  readonly running = new RunningCalls();
  readonly #options: CallControlOptions;
  readonly #watchers = new Set<Watcher>();

  constructor(options: CallControlOptions) {
    this.#options = options;
  }

  /** Takes note of a call that has ended. */
  record(record: CallRecord, exchange: RecordedExchange): void {
    const { store } = this.#options;
    // What was said is not held until it is written where it is not wanted: it would outlive its call by far.
    store?.add(record, store.withBodies ? () => this.#bodiesOf(exchange) : undefined);
    for (const watch of this.#watchers) watch(record);
  }

  /** What is wrong with the record of calls, each in a sentence. */
  faults(): string[] {
    const fault = this.#options.store?.fault;
    return fault === undefined ? [] : [fault];
  }

  /** The latest calls that pass `filter`, oldest first; those that run come last. */
  list(filter: CallFilter, limit: number): CallRecord[] {
    const wantsEnded = filter.outcome !== RUNNING;
    const ended = wantsEnded ? this.#options.store?.list(filter, limit) ?? [] : [];
    const running = filter.outcome === undefined || !wantsEnded
      ? Array.from(this.running, describeRunning).filter((record) => passes(record, filter))
      : [];
    return [...ended, ...running].slice(-limit);
  }

  /**
   * One call.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` for an id that is none, or no longer
   */
  find(id: string): { record: CallRecord; bodies?: CallBodies } {
    const number = parseCallId(id);
    const running = number === undefined ? undefined : this.running.get(number);
    if (running) {
      const { store, maxBodyChars } = this.#options;
      const { params } = running.call;
      return {
        record: describeRunning(running),
        // What is said in a call is shown only where it is recorded as well.
        bodies: store?.withBodies
          ? { request: bodyText(params.arguments ?? params, maxBodyChars) }
          : undefined,
      };
    }
    const found = number === undefined ? undefined : this.#options.store?.find(number);
    if (found) return found;
    const why = this.#options.store ? "it never was, or was too old to be kept" : "EXAI_CALLS is off";
    throw new ExaiError("RESOURCE_NOT_FOUND", `there is no call ${quoteName(id)}: ${why}`);
  }

  /** Has `watch` called for each call that ends, until what is returned is disposed. */
  watch(watch: Watcher): Disposable {
    this.#watchers.add(watch);
    return { [Symbol.dispose]: () => this.#watchers.delete(watch) };
  }

  /**
   * Cancels the call `id`: its client gets `CANCELLED`.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` when no such call runs
   */
  cancel(id: string, sessions: Sessions): CallRecord {
    const number = parseCallId(id);
    const running = number === undefined ? undefined : this.running.get(number);
    if (!running) throw this.#notRunning(id);
    const { caller, signal } = running.call;
    const reason = new ExaiError("CANCELLED", "the call was cancelled by exai-daemon cancel");
    sessions.get(caller.id)?.calls.cancelBySignal(signal, reason);
    return describeRunning(running);
  }

  #notRunning(id: string): ExaiError {
    const ids = Array.from(this.running, ({ id }) => formatCallId(id));
    const shown = ids.slice(-5).join(", ");
    const there = ids.length === 0 ? "no call runs now" : `of those that run, the latest are ${shown}`;
    return new ExaiError(
      "RESOURCE_NOT_FOUND",
      `no call ${quoteName(id)} runs${didYouMean(id, ids)}; ${there}`,
    );
  }

  #bodiesOf({ params, result }: RecordedExchange): CallBodies {
    const { maxBodyChars } = this.#options;
    return {
      request: bodyText(params.arguments ?? params, maxBodyChars),
      answer: result === undefined ? undefined : bodyText(result.error ?? result.result, maxBodyChars),
    };
  }
}

/**
 * Ends the session `id`: its calls are cancelled, its servers let go. A shim begins a new one.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` when there is no such session
 */
export async function killSession(id: string, sessions: Sessions): Promise<string> {
  const session = findSession(id, sessions);
  const why = "the session was ended by exai-daemon kill";
  session.calls.cancelAll(new ExaiError("CANCELLED", why));
  // The calls' answers go out before the connection does.
  await delay(0);
  session.mailbox.close(CLOSE.goingAway, why);
  sessions.end(session, why);
  return session.id;
}

function findSession(id: string, sessions: Sessions): Session {
  const exact = sessions.get(id);
  if (exact) return exact;
  const ids = Array.from(sessions, (session) => session.id);
  const begun = ids.filter((known) => id.length >= 4 && known.startsWith(id));
  if (begun.length === 1) return sessions.get(begun[0]!)!;
  const why = begun.length > 1 ? `${begun.length} sessions begin with it` : "exai-daemon ps lists them";
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no session ${quoteName(id)}${didYouMean(id, ids)}; ${why}`,
  );
}

function describeRunning({ id, call, startedAtMs }: RunningCall): CallRecord {
  const { caller, method, params, trace } = call;
  const nowMs = Date.now();
  const wait = currentWait(trace);
  return {
    id,
    endedAtMs: nowMs,
    session: caller.id,
    client: caller.client?.name,
    clientVersion: caller.client?.version,
    server: trace?.server,
    method,
    tool: toolOf(call),
    durationMs: nowMs - startedAtMs,
    outcome: RUNNING,
    bytesIn: payloadBytes(params.arguments),
    bytesOut: 0,
    message: trace?.note,
    waitsFor: wait?.what(),
    waitingSinceMs: wait && nowMs - (performance.now() - wait.sinceMs),
  };
}
