// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import type { EventStore } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { ExaiError } from "../base/errors.ts";
import { toRpcError } from "../wire/codes.ts";
import { type RequestId, responseTo, type RpcMessage, type RpcResponse } from "../wire/rpc.ts";
import { jsonChars } from "./json_size.ts";

/** A message in the SDK's terms: the same, with values it knows less of. */
export type SdkMessage = Parameters<EventStore["storeEvent"]>[1];

export interface EventLogLimits {
  /** Messages kept for a client that may come back for them. */
  maxMessages: number;
  /** Their size in UTF-16 code units, together. */
  maxChars: number;
}

/** One message of a stream as Server-Sent Events number it. */
export interface LoggedEvent {
  id: string;
  message: RpcMessage;
}

interface Kept extends LoggedEvent {
  at: number;
  chars: number;
}

type Answer = RpcResponse & { id: RequestId };

interface Stream {
  next: number;
  kept: Kept[];
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

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
  }

  /** Numbers `message` as the next event of a stream and keeps it. */
  storeEvent(streamId: string, message: SdkMessage): Promise<string> {
    const stream = this.#open(streamId);
    const at = stream.next++;
    const id = `${streamId}.${at}`;
    // A stream is opened with an event that is empty.
    if ("jsonrpc" in message) {
      this.#note(streamId, stream, { at, id, message: message as RpcMessage, chars: 0 });
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
  }

  #open(streamId: string): Stream {
    let stream = this.#streams.get(streamId);
    if (!stream) this.#streams.set(streamId, stream = { next: 0, kept: [], answered: new Set() });
    return stream;
  }

  #note(streamId: string, stream: Stream, event: Kept): void {
    const { message } = event;
    if (isAnswer(message)) {
      if (this.#discarded.delete(message.id)) return this.#forget(streamId);
      stream.answered.add(message.id);
    } else if ("method" in message && message.method === "notifications/progress") {
      return; // of use only now
    }
    const { maxMessages, maxChars } = this.#limits;
    event.chars = Math.min(jsonChars(message, maxChars), maxChars);
    stream.kept.push(event);
    this.#count(1, event.chars);
    // One talkative call must not take the room of the others' answers.
    if (stream.kept.length > maxMessages / 4) this.#drop(streamId, stream.kept[0]!);
    this.#trim(event);
  }

  #count(events: number, chars: number): void {
    this.#events += events;
    this.#chars += chars;
  }

  #forget(streamId: string): void {
    for (const event of this.#streams.get(streamId)?.kept ?? []) this.#count(-1, -event.chars);
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

  #trim(newest: Kept): void {
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

  #makeRoom(streamId: string, event: Kept): void {
    const { message, chars } = event;
    if (!isAnswer(message) || this.#events > this.#limits.maxMessages) return this.#drop(streamId, event);
    event.message = forgotten(message.id);
    event.chars = jsonChars(event.message, Infinity);
    this.#count(0, event.chars - chars);
  }

  #drop(streamId: string, event: Kept): void {
    const stream = this.#streams.get(streamId)!;
    stream.kept.splice(stream.kept.indexOf(event), 1);
    this.#count(-1, -event.chars);
    if (stream.answered.size > 0 && stream.kept.length === 0) this.#forget(streamId);
  }
}

function isAnswer(message: RpcMessage): message is Answer {
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
