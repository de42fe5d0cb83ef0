import { getLogger } from "@logtape/logtape";
// @ts-types="@modelcontextprotocol/sdk/server/stdio"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { ExaiError } from "../base/errors.ts";
import { formatBytes, MIB } from "../base/units.ts";
import { toRpcError } from "../wire/codes.ts";
import { envelopeOf, type MessageEnvelope, type RequestEnvelope } from "../wire/envelope.ts";
import { responseText } from "../wire/message_text.ts";
import { HEAD_CHARS, readEnds, TAIL_CHARS } from "../wire/message_ends.ts";
import { batchFault } from "../wire/lenient.ts";
import { UNLIMITED } from "../wire/json_scan.ts";
import { type InvalidReading, readClientText } from "../wire/raw_reader.ts";
import { jsonId, type RequestId, type RpcMessage } from "../wire/rpc.ts";
import { type Line, Utf8Line } from "./line.ts";
import { findId, type OverlongLine } from "./line_framer.ts";
import { MAX_JOINED_CHARS } from "./line_joiner.ts";
import { type ByteSource, LineSource } from "./line_source.ts";
import { type ByteSink, LineWriter } from "./line_writer.ts";

const log = getLogger(["exai", "transport"]);

/** The reason given to `onEnd` when the client closes stdin. */
export const STDIN_ENDED = "stdin has ended";

interface StdioHandlers {
  onMessage(message: MessageEnvelope, line: Line): void;
  /**
   * Takes a large request of which only the ends were looked at, so that it may not be valid; false when it is to be
   * checked first. One that turns out not to be valid is given to {@linkcode StdioPeer.read}.
   */
  onUnread?(request: RequestEnvelope, line: Line): boolean;
  /** The negotiated MCP revision, once the client has initialized. */
  revision?(): string | undefined;
  /** The client has sent a malformed response to the request `id`. */
  onMalformedResponse?(id: RequestId, why: string): void;
  /** What to wait for before more of stdin is read, if anything. */
  backpressure?(): Promise<void> | undefined;
  /** Called once, when the client closes stdin or stops reading stdout. */
  onEnd(why: string): void;
}

/** Longest line read: the largest WebSocket message Deno can send. */
const MAX_LINE_BYTES = 64 * MIB;

/**
 * The client on stdin and stdout (MCP 2025-11-25, transports, stdio). What is only passed on keeps the text it came in;
 * input is read with backpressure, and a line that is too long gets an error instead of ending the connection.
 *
 * The SDK's own transport reads every line that is not plainly one message, and writes what is said here. It would parse
 * and check the others by a schema, and lose their text: that is most of what a call costs a window.
 */
export class StdioPeer {
  readonly #source: LineSource;
  readonly #writer: LineWriter;
  readonly #transport: StdioServerTransport;
  readonly #handlers: StdioHandlers;
  /** The line that the SDK's transport reads. */
  #line: Line = { text: "", bytes: 0 };
  #hasEnded = false;

  constructor(io: { input: ByteSource; output: ByteSink }, handlers: StdioHandlers) {
    this.#handlers = handlers;
    this.#source = new LineSource(io.input, {
      maxLineBytes: MAX_LINE_BYTES,
      take: (line) => this.#take(line),
      onOverlong: (line) => this.#refuseOverlong(line),
      backpressure: () => handlers.backpressure?.(),
    });
    this.#writer = new LineWriter(io.output, {
      onError: (error) => this.#end(`stdout takes no more: ${error.message}`),
    });
    // The SDK's transport uses only the part of both streams that is implemented here.
    this.#transport = new StdioServerTransport(
      this.#source as unknown as Readable,
      this.#writer as unknown as Writable,
      { maxBufferSize: Number.MAX_SAFE_INTEGER },
    );
    // Its schema is stricter than JSON-RPC, and what it has parsed has lost numbers: both are read by their text.
    this.#transport.onmessage = () => this.#readIrregular(this.#line);
    this.#transport.onerror = () => this.#readIrregular(this.#line);
  }

  /** Begins reading. */
  async start(): Promise<void> {
    await this.#transport.start();
    this.#source.run().then(
      () => this.#end(STDIN_ENDED),
      (thrown) => this.#end(`stdin cannot be read: ${(thrown as Error).message}`),
    );
  }

  /** What is not yet written: text in UTF-16 code units, the rest in bytes. */
  get queuedChars(): number {
    return this.#writer.queuedChars;
  }

  /** Sends a serialized message, given without its newline. */
  sendText(text: string): void {
    this.#writer.write(text + "\n");
  }

  /** Sends a serialized message in UTF-8, its newline included. */
  sendUtf8(line: Uint8Array): void {
    this.#writer.write(line);
  }

  send(message: RpcMessage): void {
    this.#transport.send(message as Parameters<StdioServerTransport["send"]>[0]);
  }

  /** Sends `error` as the response to the request whose id has the text `idText`. */
  refuse(idText: string, error: ExaiError): void {
    this.sendText(responseText(idText, { error: toRpcError(error) }));
  }

  /** Resolves when everything sent is written, or stdout has failed. */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  /** Reads a line again that was passed on unread and was not valid. */
  read(line: Line): void {
    const { text, bytes } = line;
    if (!this.#readRegular({ text, bytes })) this.#readIrregular({ text, bytes });
  }

  #end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#handlers.onEnd(why);
  }

  #take(line: Buffer): boolean {
    if (line.length > MAX_JOINED_CHARS && this.#passUnread(line)) return true;
    this.#line = { text: line.toString("utf8", 0, line.length - 1).trim(), bytes: line.length };
    return this.#readRegular(this.#line);
  }

  #passUnread(line: Buffer): boolean {
    const { onUnread } = this.#handlers;
    if (!onUnread) return false;
    const unread = Utf8Line.from(line);
    const ends = readEnds(...unread.ends({ head: HEAD_CHARS, tail: TAIL_CHARS }));
    return ends?.kind === "request" && onUnread(ends, unread);
  }

  /** Passes on a line that is valid as it is; false for any other. */
  #readRegular(line: Line): boolean {
    const message = envelopeOf(line.text);
    if (message) this.#dispatch(message, line);
    return message !== undefined;
  }

  #readIrregular({ text, bytes }: Line): void {
    if (text === "") return;
    const reading = readClientText(text, UNLIMITED);
    switch (reading.kind) {
      case "message": {
        const { message } = reading;
        return this.#dispatch(message, message.text === text ? { text, bytes } : lineOf(message.text));
      }
      case "invalid":
        return this.#reject(reading);
      case "batch":
        return this.#readBatch(reading.texts);
      case "value":
        return this.refuse("null", new ExaiError("INVALID_REQUEST", "a message must be a JSON object"));
      case "unreadable":
        this.refuse("null", new ExaiError("PARSE_ERROR", "a line must hold one JSON message"));
    }
  }

  // The daemon takes single messages.
  #readBatch(texts: readonly string[]): void {
    const why = batchFault(texts, this.#handlers.revision?.());
    if (why !== undefined) return this.refuse("null", new ExaiError("INVALID_REQUEST", why));
    for (const text of texts) {
      if (text.startsWith("[")) {
        this.refuse("null", new ExaiError("INVALID_REQUEST", "a batch holds objects"));
      } else this.#readIrregular(lineOf(text));
    }
  }

  #dispatch(message: MessageEnvelope, line: Line): void {
    try {
      this.#handlers.onMessage(message, line);
    } catch (thrown) {
      log.error("a message of the client could not be handled: {thrown}", { thrown });
      if (message.kind !== "request") return;
      this.refuse(JSON.stringify(jsonId(message.id)), ExaiError.from(thrown));
    }
  }

  #reject({ why, isResponse, id, idText }: InvalidReading): void {
    // A response gets no response, even if it is malformed.
    if (!isResponse) return this.refuse(idText, new ExaiError("INVALID_REQUEST", why));
    if (id !== null) this.#handlers.onMalformedResponse?.(id, why);
  }

  #refuseOverlong(line: OverlongLine): void {
    const size = formatBytes(line.bytes);
    const why = `the message holds ${size}; ${formatBytes(MAX_LINE_BYTES)} is the most there can be`;
    this.refuse(JSON.stringify(findId(line)), new ExaiError("TOO_LARGE", why));
  }
}

function lineOf(text: string): Line {
  return { text, bytes: Buffer.byteLength(text) };
}
