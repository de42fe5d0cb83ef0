import { delay } from "@std/async/delay";
import { untilAborted } from "../../base/abort.ts";
import { Backoff } from "../../base/backoff.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { WatchEvent } from "../../admin/watch_event.ts";
import type { Contact } from "./picture.ts";
import { watchEvent } from "./top_state.ts";

/** How long until a daemon that has gone is asked again. */
const RETRY = { minMs: 500, maxMs: 5 * SECOND_MS };

/** A stream that says nothing for this long, where it has something every two seconds, is begun anew. */
const SILENT_MS = 15 * SECOND_MS;

interface FeedOptions {
  /** The lines of `GET /watch`, with the log `log` where one is wanted; closed when `signal` aborts. */
  follow(log: string | undefined, signal: AbortSignal): AsyncIterable<string>;
  onEvent(event: WatchEvent): void;
  /** Something about the contact has changed. */
  onContact(): void;
  /** A log cannot be followed. */
  onNoLog(why: string): void;
  now?: () => number;
  /** {@linkcode SILENT_MS}. */
  silentMs?: number;
  /** {@linkcode RETRY}. */
  retry?: { minMs: number; maxMs: number };
}

/** The stream of the daemon, begun again when it ends. */
export class Feed implements Disposable {
  readonly contact: Contact;
  readonly #options: FeedOptions;
  readonly #now: () => number;
  #turn = new AbortController();
  #log: string | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.contact = { heardAtMs: this.#now() };
  }

  /**
   * Begins to follow, and resolves with the first line.
   *
   * @throws {ExaiError} `DAEMON_UNAVAILABLE` when no daemon answers, or one that has no such stream
   */
  async start(): Promise<void> {
    const { signal } = this.#turn;
    const heard = Promise.withResolvers<void>();
    const following = this.#follow(signal, heard.resolve);
    // Where it ends before the first line, that is why.
    await Promise.race([heard.promise, following]);
    void this.#goOn(following, signal);
  }

  /** Follows the log `name` too, in place of the one before. */
  followLog(name: string): void {
    this.#log = name;
    this.#turn.abort();
    this.#turn = new AbortController();
    const { signal } = this.#turn;
    void this.#goOn(this.#follow(signal), signal);
  }

  [Symbol.dispose](): void {
    this.#turn.abort();
  }

  /** Begins anew when `following` ends, again and again, until `signal` aborts. */
  async #goOn(following: Promise<void>, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#options.retry ?? RETRY);
    for (let why = await this.#whyEnded(following, signal); !signal.aborted;) {
      const inMs = backoff.next();
      this.contact.lost = { why, retryAtMs: this.#now() + inMs };
      this.#options.onContact();
      await delay(inMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      const before = this.contact.heardAtMs;
      why = await this.#whyEnded(this.#follow(signal), signal);
      if (this.contact.heardAtMs !== before) backoff.reset();
    }
  }

  /** Reads one stream until it ends, or says nothing for too long; a stream that is not read any more is closed. */
  async #follow(signal: AbortSignal, onLine = () => {}): Promise<void> {
    const silent = new AbortController();
    const close = AbortSignal.any([signal, silent.signal]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const expect = () => {
      clearTimeout(timer);
      const why = new ExaiError("DAEMON_UNAVAILABLE", "the daemon says nothing");
      timer = setTimeout(() => silent.abort(why), this.#options.silentMs ?? SILENT_MS);
    };
    const read = async () => {
      for await (const line of this.#options.follow(this.#log, close)) {
        expect();
        this.#take(line, signal);
        onLine();
      }
    };
    expect();
    await untilAborted(read(), close).finally(() => clearTimeout(timer));
  }

  async #whyEnded(following: Promise<void>, signal: AbortSignal): Promise<string> {
    try {
      await following;
      return "the daemon has stopped";
    } catch (thrown) {
      if (this.#log !== undefined && thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND") {
        this.#log = undefined;
        if (!signal.aborted) this.#options.onNoLog(thrown.message);
      }
      return messageOf(thrown);
    }
  }

  #take(line: string, signal: AbortSignal): void {
    const event = watchEvent(line);
    if (!event || signal.aborted) return;
    this.contact.heardAtMs = this.#now();
    this.contact.lost = undefined;
    this.#options.onEvent(event);
  }
}
