import { Buffer } from "node:buffer";
import type { ChannelEnd, FrameChannel } from "./channel.ts";
import { type ByteSource, LineSource } from "./line_source.ts";
import { type ByteSink, LineWriter } from "./line_writer.ts";

/** The code of a connection that ends as it should (RFC 6455, 7.4.1). */
const NORMAL_CLOSURE = 1000;

/** A client on stdin and stdout as a connection: a message is a line (MCP basic/transports, stdio). */
export class StdioChannel implements FrameChannel {
  bytesIn = 0;
  bytesOut = 0;
  onframe?: (text: string) => void;
  onbytes?: (text: string) => void;
  onbadframe?: (reason: string) => void;
  onclose?: (end: ChannelEnd) => void;
  readonly #source: LineSource;
  readonly #writer: LineWriter;
  readonly #encoder = new TextEncoder();
  readonly #stopped = Promise.withResolvers<void>();
  #isStopped = false;

  constructor(io: ByteSource & ByteSink, { maxLineBytes }: { maxLineBytes: number }) {
    this.#writer = new LineWriter(io, { onError: () => this.#stop() });
    this.#source = new LineSource(io, {
      maxLineBytes,
      take: (line) => this.#take(line),
      onOverlong: ({ bytes }) =>
        this.onbadframe?.(`a message holds ${bytes} bytes, more than ${maxLineBytes}`),
      backpressure: () => this.#writer.queuedChars > maxLineBytes ? this.#writer.flushed() : undefined,
    });
  }

  get queuedBytes(): number {
    return this.#writer.queuedChars;
  }

  /** Whether nothing can be written any more: stdout has failed, or this side has closed. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Delivers each line; resolves when the client has closed its end, or this side has. */
  async read(): Promise<void> {
    await Promise.race([this.#source.run().catch(() => {}), this.#stopped.promise]);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    const line = typeof data === "string" ? this.#encoder.encode(`${data}\n`) : data;
    this.bytesOut += line.length;
    this.#writer.write(line);
  }

  /** Resolves when everything sent is written, or stdout has failed. */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  close(code: number): void {
    this.#stop();
    this.onclose?.({ code, wasClean: code === NORMAL_CLOSURE });
  }

  #stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
  }

  #take(line: Buffer): boolean {
    this.bytesIn += line.length;
    const text = line.toString("utf8").trim();
    if (text !== "") this.onframe?.(text);
    return true;
  }
}
