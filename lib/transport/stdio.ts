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
  kindOf,
  type RequestId,
  responseTo,
  type RpcMessage,
  type RpcRequest,
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

/** Why a client that closed stdin has ended, as against one that was cut off. */
export const STDIN_ENDED = "stdin has ended";

/** What a {@linkcode StdioPeer} tells its owner. */
interface StdioHandlers {
  onmessage(message: RpcMessage, line: Line): void;
  /** The revision the client has agreed on, once it has initialized. */
  revision?(): string | undefined;
  /** The client has answered the request `id` with what is no response. */
  onbadanswer?(id: RequestId, why: string): void;
  /** What is to be waited for before more is read of the client, if anything is. */
  backpressure?(): Promise<void> | undefined;
  /** Called once: the client closed stdin or no longer reads stdout. */
  onend(why: string): void;
}

/** Longest line taken: the largest WebSocket message Deno can send. */
const MAX_LINE_BYTES = 64 * MIB;

/**
 * The client on stdin and stdout. The SDK's transport reads and frames the messages; this hands on each with the very
 * text it came in, notices the end of stdin, and answers what is no message, as a server should (JSON-RPC 2.0, 5.1).
 */
export class StdioPeer {
  readonly #source: LineSource;
  readonly #writer: LineWriter;
  readonly #transport: StdioServerTransport;
  readonly #handlers: StdioHandlers;
  #line: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(io: { input: ByteSource; output: ByteSink }, handlers: StdioHandlers) {
    this.#handlers = handlers;
    this.#source = new LineSource(io.input, { maxLineBytes: MAX_LINE_BYTES });
    this.#source.onoverlong = (line) => this.#refuseOverlong(line);
    this.#source.backpressure = () => handlers.backpressure?.();
    this.#source.prependListener("data", (line: Buffer) => this.#line = line);
    this.#writer = new LineWriter(io.output);
    this.#writer.onbroken = (error) => this.#end(`stdout takes no more: ${error.message}`);
    this.#transport = new StdioServerTransport(
      this.#source as unknown as Readable,
      this.#writer as unknown as Writable,
      { maxBufferSize: Number.MAX_SAFE_INTEGER },
    );
    this.#transport.onmessage = (message) => this.#deliver(message);
    // The SDK's idea of a message is stricter than ours; what it refuses is looked at again.
    this.#transport.onerror = () => this.#deliverRefused();
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

  /** Sends a message that is text already, without its newline. */
  sendText(text: string): void {
    this.#writer.write(text + "\n");
  }

  /** Sends a message of our own. */
  send(message: RpcMessage): void {
    this.#transport.send(message as Parameters<StdioServerTransport["send"]>[0]);
  }

  /** Answers `id` with what went wrong. */
  refuse(id: RequestId | null, error: ExaiError): void {
    this.send(responseTo(id, { error: toRpcError(error) }));
  }

  /** Resolves when everything sent is written, or cannot be. */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.onend(why);
  }

  #deliver(message: unknown): void {
    const text = this.#line.toString("utf8").trim();
    this.#handOn(message, { text, bytes: this.#line.length });
  }

  #deliverRefused(): void {
    const text = this.#line.toString("utf8").trim();
    if (text === "") return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.refuse(null, new ExaiError("PARSE_ERROR", "a line must hold one JSON message"));
    }
    if (!Array.isArray(value)) return this.#handOn(value, { text, bytes: this.#line.length });
    const why = batchFault(value, this.#handlers.revision?.());
    if (why !== undefined) return this.#refuseValue(value, why);
    // The daemon is sent single messages.
    for (const item of value) this.#handOn(item, lineOf(item));
  }

  #handOn(value: unknown, line: Line): void {
    const meant = isObject(value) ? normalizeMessage(value) : value;
    const message = isObject(meant) ? checkEnvelope(meant) : "a message must be a JSON object";
    if (typeof message === "string") return this.#refuseValue(value, message);
    try {
      this.#handlers.onmessage(message, meant === value ? line : lineOf(meant));
    } catch (thrown) {
      log.error("a message of the client could not be handled: {thrown}", { thrown });
      if (kindOf(message) === "request") this.refuse((message as RpcRequest).id, ExaiError.from(thrown));
    }
  }

  #refuseValue(value: unknown, why: string): void {
    const fields = isObject(value) ? value : {};
    const id = errorResponseId(fields.id);
    // A response is never answered, not even a malformed one.
    if (fields.method === undefined && ("result" in fields || "error" in fields)) {
      if (id !== null) this.#handlers.onbadanswer?.(id, why);
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
