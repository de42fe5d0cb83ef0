import { getLogger } from "@logtape/logtape";
import { type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { formatBytes, KIB } from "../base/units.ts";

const log = getLogger(["exai", "transport"]);

const MAX_PIECE_BYTES = 256 * KIB;

interface StreamHooks {
  /** Unread bytes held for the client; beyond that the stream is cut. */
  maxQueuedBytes: number;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
  /** Settles when the client has received everything, or is gone. */
  completed?: Promise<void>;
  onBytes(bytes: number): void;
  /** Called once, when `body` is read no further. `cut`: the client did not take all of it. */
  onEnd(cut: boolean): void;
}

/**
 * Returns `body` with its bytes counted, and cut when the client leaves too much unread: a stream itself queues
 * without a bound.
 */
export function meteredStream(
  body: ReadableStream<Uint8Array>,
  hooks: StreamHooks,
): ReadableStream<Uint8Array> {
  const metered = new MeteredSource(body.getReader(), hooks);
  return new ReadableStream<Uint8Array>(metered, {
    highWaterMark: hooks.maxQueuedBytes,
    size: ({ length }) => length,
  });
}

class MeteredSource implements UnderlyingDefaultSource<Uint8Array> {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #hooks: StreamHooks;
  readonly #account;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** When the unread output began. */
  #unreadSinceMs = 0;
  #isOver = false;
  #isGone = false;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, hooks: StreamHooks) {
    this.#reader = reader;
    this.#hooks = hooks;
    this.#account = (hooks.budget ?? UNBOUNDED).open({
      rank: () => EVICTION_RANK.unread,
      sinceMs: () => this.#unreadSinceMs,
      evict: () => this.#cut(new Error("what is held for all clients is too much, and this is unread")),
      recount: () => this.#charge(),
    });
    const gone = () => {
      this.#isGone = true;
      this.#account.set(0);
    };
    hooks.completed?.then(gone, gone);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#pump(controller).catch((thrown) => this.#cut(thrown));
  }

  async cancel(reason: unknown): Promise<void> {
    this.#isGone = true;
    this.#account.set(0);
    this.#end(true);
    await this.#reader.cancel(reason);
  }

  async #pump(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (this.#isOver) return;
      if (done) break;
      this.#hooks.onBytes(value.length);
      // In pieces, so that little is with the system, from which it cannot be taken back.
      for (let at = 0; at < value.length; at += MAX_PIECE_BYTES) {
        controller.enqueue(value.length <= MAX_PIECE_BYTES ? value : value.slice(at, at + MAX_PIECE_BYTES));
      }
      if ((controller.desiredSize ?? 0) < 0) {
        throw new Error(`${formatBytes(this.#hooks.maxQueuedBytes)} are unread`);
      }
      this.#charge();
    }
    this.#end(false);
    controller.close();
  }

  #charge(): void {
    if (this.#account.bytes === 0) this.#unreadSinceMs = performance.now();
    this.#account.set(this.#queuedBytes);
  }

  /** Bytes enqueued and not read; none after the end of the stream. */
  get #queuedBytes(): number {
    const desired = this.#controller?.desiredSize ?? null;
    if (desired === null || this.#isGone || (this.#isOver && desired === 0)) return 0;
    return Math.max(0, this.#hooks.maxQueuedBytes - desired);
  }

  #cut(thrown: unknown): void {
    log.warning("an HTTP stream is cut: {thrown}", { thrown });
    this.#isGone = true;
    this.#account.set(0);
    this.#end(true);
    this.#reader.cancel(thrown).catch(() => {});
    this.#controller?.error(thrown);
  }

  #end(cut: boolean): void {
    if (!this.#isOver) this.#hooks.onEnd(cut);
    this.#isOver = true;
  }
}
