import { getLogger } from "@logtape/logtape";
import { formatBytes } from "../base/units.ts";
import { CLOSE } from "../wire/codes.ts";
import { byteLength } from "./bytes.ts";
import type { ChannelEnd, FrameChannel } from "./channel.ts";

const log = getLogger(["exai", "transport"]);

export interface WebSocketChannelOptions {
  /** Largest message accepted, in bytes of UTF-8; a larger one closes the connection with 1009. */
  maxFrameBytes: number;
  /** Unread bytes held for the peer; beyond that the connection is closed with 4009. */
  maxQueuedBytes: number;
}

/** The server's end of a WebSocket as a {@linkcode FrameChannel}. No event ever throws into `Deno.serve`. */
export class WebSocketChannel implements FrameChannel {
  onframe?: (text: string) => void;
  onbadframe?: (reason: string) => void;
  onclose?: (end: ChannelEnd) => void;
  bytesIn = 0;
  bytesOut = 0;
  readonly #socket: WebSocket;
  readonly #options: WebSocketChannelOptions;
  #ended = false;

  constructor(socket: WebSocket, options: WebSocketChannelOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.onmessage = (event) => this.#guarded(() => this.#receive(event.data));
    socket.onclose = (event) => this.#end({ code: event.code, clean: event.wasClean });
    socket.onerror = (event) => {
      log.debug("connection error: {message}", { message: (event as ErrorEvent).message });
      this.#end({ code: 1006, clean: false });
    };
  }

  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#ended || this.#socket.readyState !== WebSocket.OPEN) return;
    this.bytesOut += byteLength(text);
    this.#socket.send(text);
    if (this.#socket.bufferedAmount > this.#options.maxQueuedBytes) {
      log.warning("a client left {bytes} unread and is dropped", { bytes: formatBytes(this.queuedBytes) });
      this.#drop(CLOSE.tooSlowReader, "answers are not being read");
    }
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState > WebSocket.OPEN) return;
    try {
      this.#socket.close(code, reason);
    } catch (thrown) {
      log.debug("close failed: {thrown}", { thrown });
    }
  }

  // A peer that does not read never sees the close frame either, so its close event may not come for hours: the
  // session must not wait for it.
  #drop(code: number, reason: string): void {
    this.close(code, reason);
    this.#end({ code, clean: false });
  }

  #receive(data: unknown): void {
    if (this.#ended) return;
    if (typeof data !== "string") return this.onbadframe?.("a frame must be text holding one JSON message");
    const bytes = byteLength(data);
    this.bytesIn += bytes;
    if (bytes > this.#options.maxFrameBytes) {
      return this.#drop(
        CLOSE.frameTooLarge,
        `a message may hold ${formatBytes(this.#options.maxFrameBytes)} at most`,
      );
    }
    this.onframe?.(data);
  }

  // The close event can fire twice, and an error may come with or without one.
  #end(end: ChannelEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#guarded(() => this.onclose?.(end));
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      log.error("a frame could not be handled: {thrown}", { thrown });
      this.close(CLOSE.internal, "internal error");
    }
  }
}
