import { delay } from "@std/async/delay";
import { Backoff } from "../../base/backoff.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { WatchEvent } from "../../admin/watch_event.ts";
import type { Contact } from "./picture.ts";
import { watchEvent } from "./watched.ts";

/** How long until a daemon that has gone is asked again. */
const RETRY = { minMs: 500, maxMs: 5 * SECOND_MS };

interface FeedOptions {
  /** The lines of `GET /watch`, with the log `log` where one is wanted. */
  follow(log: string | undefined): AsyncIterable<string>;
  onEvent(event: WatchEvent, nowMs: number): void;
  /** Something about the contact has changed. */
  onContact(): void;
  /** A log cannot be followed. */
  onNoLog(why: string): void;
  now?: () => number;
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
    const lines = this.#options.follow(undefined)[Symbol.asyncIterator]();
    const first = await lines.next().catch((thrown) => {
      if (!(thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND")) throw thrown;
      const why = "the daemon that runs is older than this program, and cannot be watched";
      throw new ExaiError("DAEMON_UNAVAILABLE", `${why}; exai-daemon restart puts this version in its place`);
    });
    const { signal } = this.#turn;
    if (!first.done) this.#take(first.value, signal);
    void this.#read({ [Symbol.asyncIterator]: () => lines }, signal).then((why) => this.#retry(why, signal));
  }

  /** Follows the log `name` too, in place of the one before. */
  followLog(name: string): void {
    this.#log = name;
    this.#turn.abort();
    this.#turn = new AbortController();
    void this.#run(this.#turn.signal);
  }

  [Symbol.dispose](): void {
    this.#turn.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#retry(await this.#read(this.#options.follow(this.#log), signal), signal);
  }

  /** Tries again for as long as nobody else has begun. */
  async #retry(firstWhy: string, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY);
    for (let why = firstWhy; !signal.aborted;) {
      const inMs = backoff.next();
      this.contact.lost = { why, retryAtMs: this.#now() + inMs };
      this.#options.onContact();
      await delay(inMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      const before = this.contact.heardAtMs;
      why = await this.#read(this.#options.follow(this.#log), signal);
      if (this.contact.heardAtMs !== before) backoff.reset();
    }
  }

  /** Reads until the stream ends; why it has. */
  async #read(lines: AsyncIterable<string>, signal: AbortSignal): Promise<string> {
    try {
      for await (const line of lines) {
        // Another turn has begun: its lines are the news.
        if (signal.aborted) break;
        this.#take(line, signal);
      }
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
    this.#options.onEvent(event, this.contact.heardAtMs);
  }
}
