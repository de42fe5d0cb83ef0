import { getLogger } from "@logtape/logtape";
// @ts-types="@modelcontextprotocol/sdk/server/stdio"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { formatBytes, MIB } from "../base/units.ts";
import { toRpcError } from "../wire/codes.ts";
import {
  checkEnvelope,
  errorResponseId,
  isRequest,
  type RequestId,
  responseTo,
  type RpcMessage,
} from "../wire/rpc.ts";
import { batchFault, normalizeMessage } from "../wire/lenient.ts";
import { findId, type OverlongLine } from "./line_framer.ts";
import { type ByteSource, LineSource } from "./line_source.ts";
import { type ByteSink, LineWriter } from "./line_writer.ts";

const log = getLogger(["exai", "transport"]);

/** A message as it stood on its line. */
export interface Line {
  text: string;
  /** Its size in UTF-8. */
  bytes: number;
}

/** The reason given to `onEnd` when the client closes stdin. */
export const STDIN_ENDED = "stdin has ended";

interface StdioHandlers {
  onMessage(message: RpcMessage, line: Line): void;
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
 * The client on stdin and stdout (MCP 2025-11-25, transports, stdio), on the SDK's own transport. What that transport
 * lacks, in v2 too, is here: each message keeps the text it came in, so that it is passed on unparsed; input is read with
 * backpressure, and a line that is too long gets an error instead of ending the connection; what is no message is
 * answered as JSON-RPC 2.0 (5.1) asks. Version 1 does not see the end of stdin either.
 */
export class StdioPeer {
  readonly #source: LineSource;
  readonly #writer: LineWriter;
  readonly #transport: StdioServerTransport;
  readonly #handlers: StdioHandlers;
  #line: Buffer = Buffer.alloc(0);
  #hasEnded = false;

  constructor(io: { input: ByteSource; output: ByteSink }, handlers: StdioHandlers) {
    this.#handlers = handlers;
    this.#source = new LineSource(io.input, {
      maxLineBytes: MAX_LINE_BYTES,
      onOverlong: (line) => this.#refuseOverlong(line),
      backpressure: () => handlers.backpressure?.(),
    });
    this.#source.prependListener("data", (line: Buffer) => this.#line = line);
    this.#writer = new LineWriter(io.output, {
      onError: (error) => this.#end(`stdout takes no more: ${error.message}`),
    });
    // The SDK's transport uses only the part of both streams that is implemented here.
    this.#transport = new StdioServerTransport(
      this.#source as unknown as Readable,
      this.#writer as unknown as Writable,
      { maxBufferSize: Number.MAX_SAFE_INTEGER },
    );
    this.#transport.onmessage = (message) => this.#deliver(message);
    // The SDK's schema is stricter than JSON-RPC; a line it rejects is read again here.
    this.#transport.onerror = () => this.#deliverRejected();
  }

  /** Begins reading. */
  async start(): Promise<void> {
    await this.#transport.start();
    this.#source.run().then(
      () => this.#end(STDIN_ENDED),
      (thrown) => this.#end(`stdin cannot be read: ${(thrown as Error).message}`),
    );
  }

  /** Text not yet written, in UTF-16 code units. */
  get queuedChars(): number {
    return this.#writer.queuedChars;
  }

  /** Sends a serialized message, given without its newline. */
  sendText(text: string): void {
    this.#writer.write(text + "\n");
  }

  send(message: RpcMessage): void {
    this.#transport.send(message as Parameters<StdioServerTransport["send"]>[0]);
  }

  /** Sends `error` as the response to `id`. */
  refuse(id: RequestId | null, error: ExaiError): void {
    this.send(responseTo(id, { error: toRpcError(error) }));
  }

  /** Resolves when everything sent is written, or stdout has failed. */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  #end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#handlers.onEnd(why);
  }

  #deliver(message: unknown): void {
    const text = this.#line.toString("utf8").trim();
    this.#dispatch(message, { text, bytes: this.#line.length });
  }

  #deliverRejected(): void {
    const text = this.#line.toString("utf8").trim();
    if (text === "") return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.refuse(null, new ExaiError("PARSE_ERROR", "a line must hold one JSON message"));
    }
    if (!Array.isArray(value)) return this.#dispatch(value, { text, bytes: this.#line.length });
    const why = batchFault(value, this.#handlers.revision?.());
    if (why !== undefined) return this.#reject(value, why);
    // The daemon takes single messages.
    for (const item of value) this.#dispatch(item, lineOf(item));
  }

  #dispatch(value: unknown, line: Line): void {
    const normalized = isObject(value) ? normalizeMessage(value) : value;
    const message = isObject(normalized) ? checkEnvelope(normalized) : "a message must be a JSON object";
    if (typeof message === "string") return this.#reject(value, message);
    try {
      this.#handlers.onMessage(message, normalized === value ? line : lineOf(normalized));
    } catch (thrown) {
      log.error("a message of the client could not be handled: {thrown}", { thrown });
      if (isRequest(message)) this.refuse(message.id, ExaiError.from(thrown));
    }
  }

  #reject(value: unknown, why: string): void {
    const fields = isObject(value) ? value : {};
    const id = errorResponseId(fields.id);
    // A response gets no response, even if it is malformed.
    if (fields.method === undefined && ("result" in fields || "error" in fields)) {
      if (id !== null) this.#handlers.onMalformedResponse?.(id, why);
      return;
    }
    this.refuse(id, new ExaiError("INVALID_REQUEST", why));
  }

  #refuseOverlong(line: OverlongLine): void {
    const size = formatBytes(line.bytes);
    const why = `the message holds ${size}; ${formatBytes(MAX_LINE_BYTES)} is the most there can be`;
    this.refuse(findId(line), new ExaiError("TOO_LARGE", why));
  }
}

function lineOf(message: unknown): Line {
  const text = JSON.stringify(message);
  return { text, bytes: Buffer.byteLength(text) };
}
