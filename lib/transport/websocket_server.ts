import { getLogger } from "@logtape/logtape";
import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { formatBytes, SECOND_MS } from "../base/units.ts";
import { CLOSE } from "../wire/codes.ts";
import { decodeUtf8 } from "./line.ts";
import { byteLength } from "./message_size.ts";
import type { ChannelEnd, FrameChannel } from "./channel.ts";

const log = getLogger(["exai", "transport"]);

/** How long a slow reader has to receive the close frame. */
const CLOSE_GRACE_MS = 5 * SECOND_MS;

export interface WebSocketChannelOptions {
  /** Largest message accepted, in bytes of UTF-8; a larger one closes the connection with 1009. */
  maxFrameBytes: number;
  /** Unread bytes held for the peer; beyond that the connection is closed with 4009. */
  maxQueuedBytes: number;
  /** Closes the connection below the WebSocket, for a peer that does not read. */
  cut?: () => void;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
}

/** The server's end of a WebSocket as a {@linkcode FrameChannel}. No event handler throws into `Deno.serve`. */
export class WebSocketChannel implements FrameChannel {
  onframe?: (text: string) => void;
  onbytes?: (text: string) => void;
  onbadframe?: (reason: string) => void;
  onclose?: (end: ChannelEnd) => void;
  bytesIn = 0;
  bytesOut = 0;
  readonly #socket: WebSocket;
  readonly #options: WebSocketChannelOptions;
  readonly #account: ByteAccount;
  /** When the unread output began. */
  #unreadSinceMs = 0;
  #hasEnded = false;

  constructor(socket: WebSocket, options: WebSocketChannelOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#account = (options.budget ?? UNBOUNDED).open({
      rank: () => EVICTION_RANK.unread,
      sinceMs: () => this.#unreadSinceMs,
      // When memory is short there is no grace.
      evict: () => this.#dropSlow({ graceMs: 0 }),
      recount: () => this.#charge(this.queuedBytes),
    });
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.#catching(() => this.#receive(event.data));
    socket.onclose = (event) => this.#end({ code: event.code, wasClean: event.wasClean });
    socket.onerror = (event) => {
      log.debug("connection error: {message}", { message: (event as ErrorEvent).message });
      this.#end({ code: 1006, wasClean: false });
    };
  }

  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#hasEnded || this.#socket.readyState !== WebSocket.OPEN) return;
    this.bytesOut += typeof data === "string" ? byteLength(data) : data.length;
    this.#socket.send(data);
    const queuedBytes = this.#socket.bufferedAmount;
    if (queuedBytes > this.#options.maxQueuedBytes) this.#dropSlow({ graceMs: CLOSE_GRACE_MS });
    else if (queuedBytes > 0 || this.#account.bytes > 0) this.#charge(queuedBytes);
  }

  #charge(queuedBytes: number): void {
    if (this.#account.bytes === 0) this.#unreadSinceMs = performance.now();
    this.#account.set(queuedBytes);
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState > WebSocket.OPEN) return;
    try {
      this.#socket.close(code, reason);
    } catch (thrown) {
      log.debug("close failed: {thrown}", { thrown });
    }
  }

  /** Closes with 4009; after the grace what is unread is discarded. */
  #dropSlow({ graceMs }: { graceMs: number }): void {
    log.warning("a client left {bytes} unread and is dropped", { bytes: formatBytes(this.queuedBytes) });
    this.#drop(CLOSE.tooSlowReader, "answers are not being read");
    const cut = () => this.#socket.readyState === WebSocket.CLOSED || this.#options.cut?.();
    setTimeout(cut, graceMs);
  }

  // A peer that does not read never sees the close frame, so its close event may take hours: the session does not
  // wait for it.
  #drop(code: number, reason: string): void {
    this.close(code, reason);
    this.#end({ code, wasClean: false });
  }

  #receive(data: unknown): void {
    if (this.#hasEnded) return;
    const take = typeof data === "string" ? this.onframe : this.onbytes;
    if (typeof data !== "string" && (take === undefined || !(data instanceof ArrayBuffer))) {
      return this.onbadframe?.("a frame must be text holding one JSON message");
    }
    const bytes = typeof data === "string" ? byteLength(data) : data.byteLength;
    this.bytesIn += bytes;
    if (bytes > this.#options.maxFrameBytes) {
      return this.#drop(
        CLOSE.frameTooLarge,
        `a message may hold ${formatBytes(this.#options.maxFrameBytes)} at most`,
      );
    }
    take?.(typeof data === "string" ? data : decodeUtf8(new Uint8Array(data)));
  }

  // The close event can fire twice, and an error event can come with or without one.
  #end(end: ChannelEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#account.set(0);
    this.#catching(() => this.onclose?.(end));
  }

  #catching(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      log.error("a frame could not be handled: {thrown}", { thrown });
      this.close(CLOSE.internal, "internal error");
    }
  }
}
