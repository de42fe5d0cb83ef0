import type { ByteAccount } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytes } from "../base/heap_bytes.ts";
import { toRpcError } from "../wire/codes.ts";
import { responseText } from "../wire/message_text.ts";
import { SdkMessage } from "./sdk_messages.ts";

/** One message of a stream, with its Server-Sent Events id. */
export interface LoggedEvent {
  id: string;
  message: SdkMessage;
}

export interface KeptEvent extends LoggedEvent {
  /** Its number in the stream. */
  at: number;
  /** Its size as JSON, in UTF-16 code units. */
  chars: number;
  /** Memory it takes. */
  bytes: number;
  /** Whether it replaces an evicted answer. */
  isNotice?: boolean;
}

interface EventStream {
  /** The number of the next event. */
  next: number;
  kept: KeptEvent[];
  /** The SDK's numbers of the requests this stream has answered. */
  answered: Set<number>;
}

type LoggedAnswer = SdkMessage & { id: number };

/** The streams of one HTTP session with the events kept of each, and their total size. */
export class StreamEvents {
  /** Streams sent to their end, the oldest first. */
  readonly #delivered = new Set<string>();
  readonly #streams = new Map<string, EventStream>();
  readonly #account: ByteAccount;
  #count = 0;
  #chars = 0;

  /** @param account is charged with the memory of the events */
  constructor(account: ByteAccount) {
    this.#account = account;
  }

  /** Events of all streams. */
  get count(): number {
    return this.#count;
  }

  /** Their size as JSON, in UTF-16 code units. */
  get chars(): number {
    return this.#chars;
  }

  get delivered(): ReadonlySet<string> {
    return this.#delivered;
  }

  get streams(): ReadonlyMap<string, EventStream> {
    return this.#streams;
  }

  /** The events kept of a stream. */
  of(streamId: string): readonly KeptEvent[] {
    return this.#streams.get(streamId)?.kept ?? [];
  }

  /** The stream, which begins here if it is new. */
  open(streamId: string): EventStream {
    let stream = this.#streams.get(streamId);
    if (!stream) this.#streams.set(streamId, stream = { next: 0, kept: [], answered: new Set() });
    return stream;
  }

  /** Keeps `event`; its memory is charged by {@linkcode charge}, when there is room for it. */
  add(stream: EventStream, event: KeptEvent): void {
    stream.kept.push(event);
    this.#count++;
    this.#chars += event.chars;
  }

  charge(event: KeptEvent): void {
    this.#account.add(event.bytes);
  }

  markDelivered(streamId: string): void {
    this.#delivered.add(streamId);
  }

  /** Drops one event, and its stream if that has given its answer and nothing is left of it. */
  drop(streamId: string, event: KeptEvent): void {
    const stream = this.#streams.get(streamId)!;
    stream.kept.splice(stream.kept.indexOf(event), 1);
    this.#subtract(event);
    if (stream.answered.size > 0 && stream.kept.length === 0) this.forget(streamId);
  }

  /** Replaces an answer by an error that says that it was given and evicted. */
  replaceByNotice(event: KeptEvent, answer: LoggedAnswer): void {
    const { chars, bytes } = event;
    event.message = evictedAnswer(answer);
    event.isNotice = true;
    event.chars = event.message.text.length;
    event.bytes = heapBytes(event.message.text);
    this.#chars += event.chars - chars;
    this.#account.add(event.bytes - bytes);
  }

  forget(streamId: string): void {
    for (const event of this.of(streamId)) this.#subtract(event);
    this.#streams.delete(streamId);
    this.#delivered.delete(streamId);
  }

  clear(): void {
    this.#streams.clear();
    this.#delivered.clear();
    this.#count = 0;
    this.#chars = 0;
    this.#account.set(0);
  }

  #subtract(event: KeptEvent): void {
    this.#count--;
    this.#chars -= event.chars;
    this.#account.add(-event.bytes);
  }
}

export function isAnswer(message: SdkMessage): message is LoggedAnswer {
  return message.id !== undefined;
}

function evictedAnswer({ id, idText }: LoggedAnswer): SdkMessage {
  const why = "the call ended, but its answer was too large to be kept while its client was away";
  const error = new ExaiError("OUTCOME_UNKNOWN", why, { details: { outcome: "unknown" } });
  const text = responseText(idText, { error: toRpcError(error) });
  return SdkMessage.response({ number: id, idText, text });
}
