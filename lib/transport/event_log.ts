// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import type { EventStore } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { heapBytes } from "../base/heap_bytes.ts";
import { isEphemeral } from "../wire/rpc.ts";
import { SdkMessage } from "./sdk_messages.ts";
import { isAnswer, type KeptEvent, type LoggedEvent, StreamEvents } from "./stream_events.ts";

export interface EventLogLimits {
  /** Messages kept for a client that may resume. */
  maxMessages: number;
  /** Their size together, in UTF-16 code units. */
  maxChars: number;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
}

/** What a client gets that resumes a stream. */
export type Resumption =
  /** The stream continues: the missed messages, then new ones. */
  | { kind: "open" }
  /** The stream has given its answer: the missed messages, and nothing more. */
  | { kind: "over"; missed: LoggedEvent[] };

/** Streams sent to their end that are kept, since part of them may have been lost on the way. */
const DELIVERED_STREAMS = 8;
const DELIVERED_CHARS = 1024 * 1024;
/** Requests without an answer whose streams have not been closed yet. */
const MAX_DISCARDED = 1000;
/** An answer of this size takes no more memory than the notice that it was evicted. */
const SMALL_BYTES = 1024;
/** The SDK's id of the stream for messages that belong to no request. It has no end. */
const STANDALONE = "_GET_stream";

/**
 * The events of one HTTP session's streams, for a client that resumes after a cut (MCP basic/transports, resumability
 * and redelivery). In memory and bounded: an evicted answer leaves a notice that it was given.
 */
export class EventLog implements EventStore {
  readonly #limits: EventLogLimits;
  readonly #account: ByteAccount;
  readonly #events: StreamEvents;
  readonly #discarded = new Set<number>();
  #isAttended = true;
  /** Whether nothing but notices is left to evict. */
  #hasOnlyNotices = false;
  #isClosed = false;
  #sinceMs = performance.now();

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
    this.#account = (limits.budget ?? UNBOUNDED).open({
      rank: () => this.#rank,
      sinceMs: () => this.#sinceMs,
      evict: (bytes) => this.#evict(bytes),
    });
    this.#events = new StreamEvents(this.#account);
  }

  /** Whether the client reads a stream at the moment; otherwise it counts as disconnected. */
  set isAttended(is: boolean) {
    this.#isAttended = is;
    this.#sinceMs = performance.now();
  }

  /** Drops everything: the session has ended, and calls that end later leave nothing here. */
  clear(): void {
    this.#isClosed = true;
    this.#events.clear();
    this.#discarded.clear();
  }

  /** Assigns `message` the id of the next event of a stream, and keeps it. */
  storeEvent(streamId: string, message: object): Promise<string> {
    // The SDK stores answers of calls that outlast their session, whose memory would never be freed.
    if (this.#isClosed) return Promise.resolve(`${streamId}.0`);
    const stream = this.#events.open(streamId);
    const at = stream.next++;
    const id = `${streamId}.${at}`;
    // The SDK opens a stream with an empty event.
    if (message instanceof SdkMessage) this.#keep(streamId, { at, id, message });
    return Promise.resolve(id);
  }

  /** What a client gets that resumes after the event `lastEventId`. */
  resume(lastEventId: string): Resumption {
    const { streamId, at } = parseId(lastEventId);
    const stream = this.#events.streams.get(streamId);
    if (stream ? stream.answered.size === 0 : streamId === STANDALONE) return { kind: "open" };
    return { kind: "over", missed: this.#events.of(streamId).filter((event) => event.at > at) };
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: Parameters<EventStore["replayEventsAfter"]>[1],
  ): Promise<string> {
    const { streamId, at } = parseId(lastEventId);
    const missed = this.#events.of(streamId).filter((event) => event.at > at);
    for (const { id, message } of missed) await send(id, message as Parameters<typeof send>[1]);
    return streamId;
  }

  /** Notes that the stream that answered the SDK's request `id` was sent to its end: it is evicted before others. */
  delivered(id: number): void {
    const [streamId] = [...this.#events.streams].find(([, stream]) => stream.answered.has(id)) ?? [];
    if (streamId !== undefined) this.#events.markDelivered(streamId);
    this.#trimDelivered();
  }

  /** Notes that the SDK's request `id` gets no answer: its stream is forgotten when the SDK closes it with an empty one. */
  discard(id: number): void {
    this.#discarded.add(id);
    if (this.#discarded.size > MAX_DISCARDED) this.#discarded.delete(this.#discarded.values().next().value!);
  }

  #keep(streamId: string, { at, id, message }: LoggedEvent & { at: number }): void {
    const stream = this.#events.open(streamId);
    if (isAnswer(message)) {
      if (this.#discarded.delete(message.id)) return this.#events.forget(streamId);
      stream.answered.add(message.id);
    } else if (isEphemeral(message)) {
      return;
    }
    const { maxMessages, maxChars } = this.#limits;
    const { text } = message;
    const chars = Math.min(text.length, maxChars);
    const event: KeptEvent = { at, id, message, chars, bytes: heapBytes(text) };
    this.#events.add(stream, event);
    this.#hasOnlyNotices = false;
    // One call with many messages must not displace the answers of others.
    if (stream.kept.length > maxMessages / 4) this.#events.drop(streamId, stream.kept[0]!);
    this.#trim(event);
    this.#events.charge(event);
  }

  #trimDelivered(): void {
    const { delivered } = this.#events;
    const charsOf = (streamId: string) =>
      this.#events.of(streamId).reduce((sum, { chars }) => sum + chars, 0);
    let chars = 0;
    for (const streamId of delivered) chars += charsOf(streamId);
    for (const streamId of delivered) {
      if (delivered.size <= DELIVERED_STREAMS && chars <= DELIVERED_CHARS) return;
      chars -= charsOf(streamId);
      this.#events.forget(streamId);
    }
  }

  #trim(newest: KeptEvent): void {
    for (const streamId of this.#events.delivered) {
      if (!this.#isFull) return;
      this.#events.forget(streamId);
    }
    for (const [streamId, { kept }] of this.#events.streams) {
      for (const event of [...kept]) {
        if (!this.#isFull) return;
        if (event !== newest) this.#makeRoom(streamId, event);
      }
    }
  }

  get #isFull(): boolean {
    return this.#events.count > this.#limits.maxMessages || this.#events.chars > this.#limits.maxChars;
  }

  /** Replaces an answer by a notice where that helps, and drops the event otherwise. */
  #makeRoom(streamId: string, event: KeptEvent): void {
    const { message } = event;
    const isOverCount = this.#events.count > this.#limits.maxMessages;
    if (!isAnswer(message) || isOverCount) this.#events.drop(streamId, event);
    else this.#events.replaceByNotice(event, message);
  }

  get #rank(): number {
    if (this.#hasOnlyNotices) return EVICTION_RANK.notice;
    if (this.#hasDelivered) return EVICTION_RANK.delivered;
    return this.#isAttended ? EVICTION_RANK.unconfirmed : EVICTION_RANK.away;
  }

  /** Whether evicting delivered streams frees memory. */
  get #hasDelivered(): boolean {
    return this.#events.delivered.values().some((id) => this.#events.of(id).some(isWorthEvicting));
  }

  /** Frees memory, delivered streams first: answers are replaced by notices, which are dropped when nothing else is left. */
  #evict(bytes: number): void {
    const before = this.#account.bytes;
    const target = before - bytes;
    const ids = this.#hasDelivered ? [...this.#events.delivered] : [...this.#events.streams.keys()];
    const mayDropAll = this.#hasOnlyNotices;
    for (const streamId of ids) this.#evictStream(streamId, { target, mayDropAll });
    this.#hasOnlyNotices = this.#account.bytes === before;
  }

  #evictStream(streamId: string, { target, mayDropAll }: { target: number; mayDropAll: boolean }): void {
    for (const event of [...this.#events.of(streamId)]) {
      if (this.#account.bytes <= target) return;
      if (mayDropAll) this.#events.drop(streamId, event);
      else if (isWorthEvicting(event)) this.#makeRoom(streamId, event);
    }
  }
}

/** Whether a client asks for the stream of what belongs to no request, and does not resume another. */
export function opensStandalone({ method, headers }: Request): boolean {
  if (method !== "GET") return false;
  const lastEventId = headers.get("last-event-id");
  return lastEventId === null || parseId(lastEventId).streamId === STANDALONE;
}

function isWorthEvicting({ isNotice, bytes }: KeptEvent): boolean {
  return !isNotice && bytes > SMALL_BYTES;
}

function parseId(eventId: string): { streamId: string; at: number } {
  const dot = eventId.lastIndexOf(".");
  return { streamId: eventId.slice(0, dot), at: Number(eventId.slice(dot + 1)) };
}
