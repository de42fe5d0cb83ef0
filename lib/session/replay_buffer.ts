import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import type { RequestId } from "../wire/rpc.ts";
import type { JournaledCall, JournalEntry, RecordOptions, SessionJournal } from "./journal.ts";
import { type OnUndelivered, OutboundMessages } from "./outbound_messages.ts";
import { OutboundResponses } from "./outbound_responses.ts";

export interface ReplayLimits {
  /** Messages kept for a client that is away or has not acknowledged them; responses are counted apart. */
  maxMessages: number;
  /** Their size in UTF-16 code units, together. */
  maxChars: number;
  /** The byte budget shared by all sessions. */
  budget?: ByteBudget;
}

interface ReplayBufferOptions {
  /** Whether responses are kept until acknowledged; only a client that can resume needs them. */
  keepsResponses: boolean;
  /** Records calls and responses for the next daemon. */
  journal?: SessionJournal;
}

/** The connection a session sends its frames to. */
export interface FrameSink {
  /** Whether it sends when the turn ends, after what the turn has recorded is written. */
  readonly sendsAtTurnEnd?: boolean;
  send(text: string): void;
  close(code: number, reason: string): void;
}

/**
 * The outbound side of one session. Without a connection messages are buffered. Responses are also kept after they were
 * sent, until the client acknowledges them: when a connection is cut, a sent frame need not have been received.
 *
 * @example
 * ```ts
 * import { ReplayBuffer } from "./replay_buffer.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const buffer = new ReplayBuffer({ maxMessages: 10, maxChars: 1000 }, { keepsResponses: true });
 * buffer.sendResponse(1, "one");
 * buffer.sendResponse(2, "two");
 * const sent: string[] = [];
 * buffer.attach({ send: (text) => void sent.push(text), close: () => {} });
 * buffer.resume([2], () => "evicted");
 * assertEquals(sent, ["two"]);
 * ```
 */
export class ReplayBuffer {
  readonly #keepsResponses: boolean;
  readonly #messages: OutboundMessages;
  readonly #responses: OutboundResponses;
  /** Undefined once the session has ended. */
  #journal: SessionJournal | undefined;
  /** Journal entries of running calls. */
  readonly #begun = new Map<RequestId, JournalEntry>();
  /** Calls an earlier daemon began, and whose outcome is unknown. */
  readonly #unknown = new Map<RequestId, JournalEntry>();
  readonly #account: ByteAccount;
  #sink: FrameSink | undefined;
  /** Whether the attached client acknowledges requests and notifications too. */
  #acknowledgesMessages = false;
  #isClosed = false;
  /** When the client attached or detached last. */
  #sinceMs = performance.now();

  constructor(limits: ReplayLimits, { keepsResponses, journal }: ReplayBufferOptions) {
    this.#keepsResponses = keepsResponses;
    this.#journal = journal;
    this.#account = (limits.budget ?? UNBOUNDED).open({
      rank: () => this.isAttached ? EVICTION_RANK.unconfirmed : EVICTION_RANK.away,
      sinceMs: () => this.#sinceMs,
      evict: (bytes) => this.#evict(bytes),
    });
    const onSizeChange = (bytes: number) => this.#account.add(bytes);
    this.#messages = new OutboundMessages({ ...limits, onSizeChange });
    this.#responses = new OutboundResponses({ ...limits, onSizeChange, journal: () => this.#journal });
  }

  get isAttached(): boolean {
    return this.#sink !== undefined;
  }

  /** Takes over the calls an earlier daemon recorded. */
  restore(calls: readonly JournaledCall[]): void {
    for (const { entry, answer } of calls) {
      if (answer === undefined) this.#unknown.set(entry.id, entry);
      else this.#responses.add({ id: entry.id, text: answer, entry });
    }
  }

  /** Sends to `sink` from now on. */
  attach(sink: FrameSink, { acknowledgesMessages = false } = {}): void {
    this.#sink = sink;
    this.#acknowledgesMessages = acknowledgesMessages;
    this.#sinceMs = performance.now();
  }

  /** Detaches `sink`; false when another connection has replaced it already. */
  detach(sink: FrameSink): boolean {
    if (this.#sink !== sink) return false;
    this.#sink = undefined;
    this.#sinceMs = performance.now();
    return true;
  }

  close(code: number, reason: string): void {
    this.#sink?.close(code, reason);
  }

  /** Sends a request or notification, or buffers it while the client is away. */
  send(text: string, onUndelivered?: OnUndelivered): void {
    if (this.#isResumable && (this.#acknowledgesMessages || !this.#sink)) {
      this.#messages.add(text, onUndelivered);
    }
    this.#sink?.send(text);
  }

  /** Number of the last message (request or notification) before those a connection that begins now receives. */
  get messagesBase(): number {
    return this.#messages.base;
  }

  /** Sends what is only of use now, as progress; dropped while the client is away. */
  sendTransient(text: string): void {
    this.#sink?.send(text);
  }

  /** The call `id` begins to do what must not be done twice. */
  markBegun(id: RequestId, options?: RecordOptions): void {
    if (this.#journal && !this.#begun.has(id)) this.#begun.set(id, this.#journal.begin(id, options));
  }

  /** The call `id` gets no response: it was cancelled. */
  abandon(id: RequestId): void {
    const entry = this.#takeBegun(id);
    if (entry) this.#journal!.forget(entry);
  }

  /** Sends the response to `id` and keeps it until {@linkcode acknowledgeResponses}. */
  sendResponse(id: RequestId, text: string): void {
    const entry = this.#takeBegun(id);
    if (entry) {
      this.#journal!.finish(entry, text, { soon: this.isAttached, inTurn: this.#sink?.sendsAtTurnEnd });
    }
    if (this.#isResumable) this.#responses.add({ id, text, entry });
    this.#sink?.send(text);
  }

  /** Sends an error for a request that reuses the id of a running call, which keeps its journal entry. */
  rejectDuplicate(id: RequestId, text: string): void {
    if (this.#isResumable) this.#responses.add({ id, text });
    this.#sink?.send(text);
  }

  /** The client has received the first `count` messages of the session. */
  acknowledgeMessages(count: number): void {
    this.#messages.acknowledge(count);
  }

  /** The client has received the first `count` responses of this connection. */
  acknowledgeResponses(count: number): void {
    this.#responses.acknowledge(count);
  }

  /** Whether the response to `id` is kept. */
  hasResponse(id: RequestId): boolean {
    return this.#responses.has(id);
  }

  /** Whether the response to `id` was evicted before the client acknowledged it. */
  hasEvicted(id: RequestId): boolean {
    return this.#responses.hasEvicted(id);
  }

  /** Whether an earlier daemon began the call `id` and its outcome is unknown. */
  isOutcomeUnknown(id: RequestId): boolean {
    return this.#unknown.has(id);
  }

  /** The client knows which outcomes are unknown. */
  forgetUnknown(): void {
    for (const entry of this.#unknown.values()) this.#journal?.forget(entry);
    this.#unknown.clear();
  }

  /**
   * Sends again the responses a client that has reconnected still waits for, and all messages it has not received.
   * Responses it does not wait for are dropped.
   *
   * @param evictedError makes the response to a request whose response was evicted
   * @returns how many messages are lost
   */
  resume(waiting: readonly RequestId[], evictedError: (id: RequestId) => string): number {
    const responses = this.#responses.takeWanted(waiting);
    // What the client has received was acknowledged before hello_ack, so nothing more is to be skipped.
    const { pending, undelivered } = this.#messages.resume(0);
    for (const text of pending) this.#sink?.send(text);
    if (!this.#acknowledgesMessages) this.#messages.clear();
    for (const text of this.#responses.keepAgain(responses, evictedError)) this.#sink?.send(text);
    for (const onUndelivered of undelivered) onUndelivered(evictedMessage());
    return undelivered.length;
  }

  /** Ends the buffer with its session: drops everything and keeps nothing more. */
  clear(): void {
    this.#sink = undefined;
    this.#isClosed = true;
    this.#messages.clear();
    this.#responses.clear();
    // A call aborted by the end of its session has no response worth recording.
    this.#begun.clear();
    this.#unknown.clear();
    this.#journal = undefined;
    this.#account.set(0);
  }

  get #isResumable(): boolean {
    return this.#keepsResponses && !this.#isClosed;
  }

  /** Frees `bytes`: messages are evicted before responses. */
  #evict(bytes: number): void {
    const target = this.#account.bytes - bytes;
    while (this.#messages.size > 0 && this.#account.bytes > target) this.#messages.evictOldest();
    while (this.#responses.size > 0 && this.#account.bytes > target) this.#responses.evictOldest();
  }

  #takeBegun(id: RequestId): JournalEntry | undefined {
    const entry = this.#begun.get(id);
    this.#begun.delete(id);
    return entry;
  }
}

function evictedMessage(): ExaiError {
  const why = "the client did not read what it was sent, and this had to make room for later messages";
  return new ExaiError("OVER_CAPACITY", why);
}
