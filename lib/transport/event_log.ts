// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import type { EventStore } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytesOf } from "../base/heap_bytes.ts";
import { toRpcError } from "../wire/codes.ts";
import { type RequestId, responseTo, type RpcMessage, type RpcResponse } from "../wire/rpc.ts";
import { jsonChars } from "./message_size.ts";

/** A message in the SDK's terms: the same, with values it knows less of. */
export type SdkMessage = Parameters<EventStore["storeEvent"]>[1];

export interface EventLogLimits {
  /** Messages kept for a client that may come back for them. */
  maxMessages: number;
  /** Their size in UTF-16 code units, together. */
  maxChars: number;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
}

/** One message of a stream as Server-Sent Events number it. */
export interface LoggedEvent {
  id: string;
  message: RpcMessage;
}

interface KeptEvent extends LoggedEvent {
  at: number;
  chars: number;
  /** Memory it takes. */
  bytes: number;
  /** It stands for an answer that had to make room. */
  isNotice?: boolean;
}

type LoggedAnswer = RpcResponse & { id: RequestId };

interface Stream {
  next: number;
  kept: KeptEvent[];
  /** Requests this stream has answered. */
  answered: Set<RequestId>;
}

/** What there is for a client that comes back to a stream. */
export type Resumption =
  /** The stream goes on: what was missed, then what comes. */
  | { kind: "open" }
  /** The stream has given its answer: this was missed and nothing more will come. */
  | { kind: "over"; missed: LoggedEvent[] };

/** Streams that were sent to their end are kept in this number: some of it may be lost on the way all the same. */
const DELIVERED_STREAMS = 8;
const DELIVERED_CHARS = 1024 * 1024;
/** Requests that get no answer and have not been answered for form's sake yet. */
const MAX_DISCARDED = 1000;
/** An answer of this size takes no more room than the word that it was given. */
const SMALL_BYTES = 1024;
/** The stream of what belongs to no request; it has no end of its own. */
const STANDALONE = "_GET_stream";

/**
 * The events of one HTTP session's streams, for a client whose connection was cut (MCP basic/transports, resumability
 * and redelivery). Kept in memory and bounded: an answer that has to make room leaves word that it was given.
 */
export class EventLog implements EventStore {
  readonly #limits: EventLogLimits;
  readonly #streams = new Map<string, Stream>();
  /** Streams sent to their end, the oldest first. */
  readonly #delivered = new Set<string>();
  readonly #discarded = new Set<RequestId>();
  #events = 0;
  #chars = 0;
  /** Whether the client reads some stream now. */
  #isAttended = true;
  /** Whether what is left of what had to make room is only the word that it was there. */
  #isEmptied = false;
  #isOver = false;
  #sinceMs = performance.now();
  readonly #account: ByteAccount;

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
    const rank = () => this.#rank;
    const since = () => this.#sinceMs;
    this.#account = (limits.budget ?? UNBOUNDED).open({
      get rank() {
        return rank();
      },
      get sinceMs() {
        return since();
      },
      evict: (bytes) => this.#giveWay(bytes),
    });
  }

  /** Whether the client reads some stream now; one that does not is away. */
  set isAttended(is: boolean) {
    this.#isAttended = is;
    this.#sinceMs = performance.now();
  }

  /** The session is over: nobody comes back for anything, and calls that end later leave nothing here. */
  clear(): void {
    this.#isOver = true;
    this.#streams.clear();
    this.#delivered.clear();
    this.#discarded.clear();
    this.#events = 0;
    this.#chars = 0;
    this.#account.set(0);
  }

  /** Numbers `message` as the next event of a stream and keeps it. */
  storeEvent(streamId: string, message: SdkMessage): Promise<string> {
    // The SDK stores the answers of calls that outlast its session; nobody would ever free their bytes.
    if (this.#isOver) return Promise.resolve(`${streamId}.0`);
    const stream = this.#open(streamId);
    const at = stream.next++;
    const id = `${streamId}.${at}`;
    // A stream is opened with an event that is empty.
    if ("jsonrpc" in message) {
      this.#note(streamId, stream, { at, id, message: message as RpcMessage, chars: 0, bytes: 0 });
    }
    return Promise.resolve(id);
  }

  /** What there is for a client that has `lastEventId`. */
  resume(lastEventId: string): Resumption {
    const { streamId, at } = parseId(lastEventId);
    const stream = this.#streams.get(streamId);
    if (stream ? stream.answered.size === 0 : streamId === STANDALONE) return { kind: "open" };
    return { kind: "over", missed: (stream?.kept ?? []).filter((event) => event.at > at) };
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: { send(eventId: string, message: SdkMessage): Promise<void> },
  ): Promise<string> {
    const { streamId, at } = parseId(lastEventId);
    const missed = this.#streams.get(streamId)?.kept.filter((event) => event.at > at) ?? [];
    for (const { id, message } of missed) await send(id, message as SdkMessage);
    return streamId;
  }

  /** The stream that answered `id` last was sent to its end: it need not be kept as long as others. */
  delivered(id: RequestId): void {
    // The latest of them: an id may come again once it is answered.
    const [streamId] = [...this.#streams].findLast(([, stream]) => stream.answered.has(id)) ?? [];
    if (streamId !== undefined) this.#delivered.add(streamId);
    this.#trimDelivered();
  }

  /** The request `id` gets no answer: its stream is over once it is answered for form's sake. */
  discard(id: RequestId): void {
    this.#discarded.add(id);
    if (this.#discarded.size > MAX_DISCARDED) this.#discarded.delete(this.#discarded.values().next().value!);
  }

  #open(streamId: string): Stream {
    let stream = this.#streams.get(streamId);
    if (!stream) this.#streams.set(streamId, stream = { next: 0, kept: [], answered: new Set() });
    return stream;
  }

  #note(streamId: string, stream: Stream, event: KeptEvent): void {
    const { message } = event;
    if (isAnswer(message)) {
      if (this.#discarded.delete(message.id)) return this.#forget(streamId);
      stream.answered.add(message.id);
    } else if ("method" in message && message.method === "notifications/progress") {
      return; // of use only now
    }
    const { maxMessages, maxChars } = this.#limits;
    event.chars = Math.min(jsonChars(message, maxChars), maxChars);
    event.bytes = heapBytesOf(message);
    stream.kept.push(event);
    this.#isEmptied = false;
    this.#count(1, event.chars);
    // One talkative call must not take the room of the others' answers.
    if (stream.kept.length > maxMessages / 4) this.#drop(streamId, stream.kept[0]!);
    this.#trim(event);
    this.#account.add(event.bytes);
  }

  #count(events: number, chars: number): void {
    this.#events += events;
    this.#chars += chars;
  }

  #forget(streamId: string): void {
    for (const event of this.#streams.get(streamId)?.kept ?? []) {
      this.#count(-1, -event.chars);
      this.#account.add(-event.bytes);
    }
    this.#streams.delete(streamId);
    this.#delivered.delete(streamId);
  }

  #trimDelivered(): void {
    let chars = 0;
    for (const streamId of this.#delivered) {
      for (const event of this.#streams.get(streamId)?.kept ?? []) chars += event.chars;
    }
    for (const streamId of this.#delivered) {
      if (this.#delivered.size <= DELIVERED_STREAMS && chars <= DELIVERED_CHARS) return;
      for (const event of this.#streams.get(streamId)?.kept ?? []) chars -= event.chars;
      this.#forget(streamId);
    }
  }

  #trim(newest: KeptEvent): void {
    for (const streamId of this.#delivered) {
      if (!this.#full()) return;
      this.#forget(streamId);
    }
    for (const [streamId, { kept }] of this.#streams) {
      for (const event of [...kept]) {
        if (!this.#full()) return;
        if (event !== newest) this.#makeRoom(streamId, event);
      }
    }
  }

  #full(): boolean {
    return this.#events > this.#limits.maxMessages || this.#chars > this.#limits.maxChars;
  }

  #makeRoom(streamId: string, event: KeptEvent): void {
    const { message, chars } = event;
    if (!isAnswer(message) || this.#events > this.#limits.maxMessages) return this.#drop(streamId, event);
    event.message = forgotten(message.id);
    event.isNotice = true;
    event.chars = jsonChars(event.message, Infinity);
    this.#count(0, event.chars - chars);
    const noticeBytes = heapBytesOf(event.message);
    this.#account.add(noticeBytes - event.bytes);
    event.bytes = noticeBytes;
  }

  get #rank(): number {
    if (this.#isEmptied) return EVICTION_RANK.notice;
    if (this.#hasDelivered) return EVICTION_RANK.delivered;
    return this.#isAttended ? EVICTION_RANK.unconfirmed : EVICTION_RANK.away;
  }

  /** Whether there is anything to gain by letting go of what was delivered. */
  get #hasDelivered(): boolean {
    return this.#delivered.values().some((id) => this.#streams.get(id)?.kept.some(isWorthDropping));
  }

  /**
   * Makes room for others, what was delivered first: answers leave word that they were given. Only when that word is
   * all that is left does it go too.
   */
  #giveWay(bytes: number): void {
    const before = this.#account.bytes;
    const target = before - bytes;
    const ids = this.#hasDelivered ? [...this.#delivered] : [...this.#streams.keys()];
    const mayDropAll = this.#isEmptied;
    for (const streamId of ids) this.#empty(streamId, { target, mayDropAll });
    this.#isEmptied = this.#account.bytes === before;
  }

  #empty(streamId: string, { target, mayDropAll }: { target: number; mayDropAll: boolean }): void {
    for (const event of [...this.#streams.get(streamId)?.kept ?? []]) {
      if (this.#account.bytes <= target) return;
      if (mayDropAll) this.#drop(streamId, event);
      else if (isWorthDropping(event)) this.#makeRoom(streamId, event);
    }
  }

  #drop(streamId: string, event: KeptEvent): void {
    const stream = this.#streams.get(streamId)!;
    stream.kept.splice(stream.kept.indexOf(event), 1);
    this.#count(-1, -event.chars);
    this.#account.add(-event.bytes);
    if (stream.answered.size > 0 && stream.kept.length === 0) this.#forget(streamId);
  }
}

function isWorthDropping({ isNotice, bytes }: KeptEvent): boolean {
  return !isNotice && bytes > SMALL_BYTES;
}

function isAnswer(message: RpcMessage): message is LoggedAnswer {
  return !("method" in message);
}

function parseId(eventId: string): { streamId: string; at: number } {
  const dot = eventId.lastIndexOf(".");
  return { streamId: eventId.slice(0, dot), at: Number(eventId.slice(dot + 1)) };
}

function forgotten(id: RequestId): RpcMessage {
  const why = "the call ended, but its answer was too large to be kept while its client was away";
  const error = new ExaiError("OUTCOME_UNKNOWN", why, { details: { outcome: "unknown" } });
  return responseTo(id, { error: toRpcError(error) });
}
