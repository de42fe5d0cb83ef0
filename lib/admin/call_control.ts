import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Call, Policy, Target } from "../call/call.ts";
import { sessionIdOf } from "../call/owner.ts";
import { argumentsSize } from "../call/payload_size.ts";
import { currentWait } from "../call/wait.ts";
import { redactedJson } from "../observe/redacted_json.ts";
import { type CallBodies, type CallFilter, type CallStore, matchesFilter } from "../observe/call_store.ts";
import { type CallRecord, type RecordedExchange, toolOf } from "../observe/call_record.ts";
import { formatCallId, parseCallId, type RunningCall, RunningCalls } from "../observe/running_calls.ts";
import type { Session } from "../session/session.ts";
import {
  clientFacts,
  recordedAnswer,
  recordedEvents,
  recordedRequest,
  recordEvents,
  recordShown,
} from "./call_bodies.ts";
import { exportLines } from "./call_export.ts";

/** The outcome of a call that has not ended. */
const RUNNING = "running";

/** Where what a call waits for is shown: one that was answered, or whose client has gone, is no longer `running`. */
const GOES_ON = "nobody: it goes on until it is done or cancelled";

interface CallControlOptions {
  /** The call history; undefined when it is disabled. */
  store: CallStore | undefined;
  /** Maximum length of recorded arguments and results, in UTF-16 code units. */
  maxBodyChars: number;
}

/** Read access to the sessions of the daemon, and a way to end one. */
export interface SessionAccess extends Iterable<Session> {
  get(id: string): Session | undefined;
  end(session: Session, why: string): void;
}

type CallListener = (record: CallRecord) => void;

/** Lists, follows and cancels the calls of the daemon, running and ended ones. */
export class CallControl {
  readonly running = new RunningCalls();
  readonly #options: CallControlOptions;
  readonly #listeners = new Set<CallListener>();

  constructor(options: CallControlOptions) {
    this.#options = options;
  }

  /** Records a call that has ended, and notifies the subscribers. */
  record(record: CallRecord, exchange: RecordedExchange): void {
    const { store } = this.#options;
    // Without bodies the exchange is not retained until the record is written.
    store?.add(record, store.keepsBodies ? this.#bodiesOf(record, exchange) : undefined);
    for (const listener of this.#listeners) listener(record);
  }

  /** What calls pass, so that what is said while they run is recorded, if bodies are. */
  get events(): Policy {
    const { store, maxBodyChars } = this.#options;
    return store?.keepsBodies ? recordEvents(maxBodyChars) : (next) => next;
  }

  /** `target`, of which is recorded what it shows clients, if bodies are. */
  recordShown(target: Target): Target {
    const { store } = this.#options;
    return store?.keepsBodies ? recordShown(target, store) : target;
  }

  /** The lines of an export; see {@linkcode exportLines}. */
  exported(session: string): Iterable<string> {
    const { store } = this.#options;
    if (!store) throw new ExaiError("RESOURCE_NOT_FOUND", "there is no record of calls: EXAI_CALLS is off");
    return exportLines(store, session);
  }

  /** Records a call again that has used more since. */
  amend(record: CallRecord): void {
    this.#options.store?.add(record);
  }

  /** Current faults of the call history, each in a sentence. */
  faults(): string[] {
    const fault = this.#options.store?.fault;
    return fault === undefined ? [] : [fault];
  }

  /** The latest calls that match `filter`, oldest first, followed by the running ones. */
  list(filter: CallFilter, limit: number): CallRecord[] {
    const wantsEnded = filter.outcome !== RUNNING;
    const ended = wantsEnded ? this.#options.store?.list(filter, limit) ?? [] : [];
    const shown = ended.map((record) => this.#withWork(record));
    const running = filter.outcome === undefined || !wantsEnded
      ? Array.from(this.running, describeRunning).filter((record) => matchesFilter(record, filter))
      : [];
    return [...shown, ...running].slice(-limit);
  }

  #withWork(record: CallRecord): CallRecord {
    return this.running.goingOn(record.id) === undefined ? record : { ...record, waitsFor: GOES_ON };
  }

  /**
   * One call.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` for an unknown id
   */
  find(id: string): { record: CallRecord; bodies?: CallBodies } {
    const number = parseCallId(id);
    const running = number === undefined ? undefined : this.running.get(number);
    if (running) {
      const { store } = this.#options;
      return {
        record: describeRunning(running),
        // Bodies are shown only if they are recorded as well.
        bodies: store?.keepsBodies ? { request: this.#requestOf(running.call) } : undefined,
      };
    }
    const found = number === undefined ? undefined : this.#options.store?.find(number);
    if (found) return { ...found, record: this.#withWork(found.record) };
    const why = this.#options.store ? "it never existed, or was too old to be kept" : "EXAI_CALLS is off";
    throw new ExaiError("RESOURCE_NOT_FOUND", `there is no call ${quoteName(id)}: ${why}`);
  }

  /** Calls `listener` for each call that ends, until the returned subscription is disposed. */
  subscribe(listener: CallListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /**
   * Cancels the call `id`, or its work that goes on without it; its client gets the error `CANCELLED`.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` when neither runs
   */
  cancel(id: string, sessions: SessionAccess): CallRecord {
    const number = parseCallId(id);
    const running = number === undefined ? undefined : this.running.get(number);
    const goingOn = number === undefined ? undefined : this.running.goingOn(number);
    const reason = new ExaiError(
      "CANCELLED",
      "the user cancelled the call, by exai-daemon cancel, top or the page",
    );
    if (goingOn) {
      goingOn.work.cancel(reason);
      return describeRunning(goingOn);
    }
    if (!running) throw this.#notRunning(id);
    const { caller, signal } = running.call;
    sessions.get(sessionIdOf(caller))?.calls.cancelBySignal(signal, reason);
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

  /** The only look into what a call that is passed on carries: it is parsed here, and only if bodies are recorded. */
  #bodiesOf({ durationMs }: CallRecord, exchange: RecordedExchange): () => CallBodies {
    const { call, result } = exchange;
    // Now: when a batch is written, the clock has gone on.
    const events = recordedEvents({ ...exchange, durationMs });
    return () => ({
      request: this.#requestOf(call),
      answer: recordedAnswer(result, this.#options.maxBodyChars),
      client: clientFacts(call.caller),
      events,
    });
  }

  #requestOf(call: Call): string {
    return redactedJson(recordedRequest(call), this.#options.maxBodyChars);
  }
}

/** A call that has not ended, as a record: with its duration so far. */
export function describeRunning({ id, call, begunMs }: RunningCall): CallRecord {
  const { caller, method, trace } = call;
  const nowMs = Date.now();
  const wait = currentWait(trace);
  return {
    id,
    endedAtMs: nowMs,
    session: sessionIdOf(caller),
    client: caller.client?.name,
    clientVersion: caller.client?.version,
    server: trace?.server,
    method,
    tool: toolOf(call),
    durationMs: performance.now() - begunMs,
    outcome: RUNNING,
    bytesIn: argumentsSize(call),
    bytesOut: 0,
    spent: trace?.spent,
    message: trace?.note,
    waitsFor: wait?.what(),
    waitingSinceMs: wait && nowMs - (performance.now() - wait.sinceMs),
  };
}
