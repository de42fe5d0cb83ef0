import { delay } from "@std/async/delay";
import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../base/json.ts";
import { KIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { SignedInPage } from "../edge/http_handler.ts";
import { WatchedCalls } from "./watch_calls.ts";
import type { SavedSample } from "./watch_event.ts";
import { WatchedMemory } from "./watch_memory.ts";
import { encodeLine, leftOutLine, WatchedState, type WatchLook, type WatchSources } from "./watch_state.ts";
import { WatchedLog } from "./watch_log.ts";

const log = getLogger(["exai", "daemon"]);

/** The shortest time between two looks. */
const LOOK_MS = SECOND_MS / 2;

/** With many servers and windows, a look takes longer; the time between two is then this many times as long. */
const REST_PER_LOOK = 100;

/** But no longer than this, as when all there is was told to somebody who came. */
const MAX_REST_MS = 5 * SECOND_MS;

/** Those who come within this many times the time of a look are told together: all there is takes long to write. */
const WAIT_PER_LOOK = 5;

/** A watcher that has this much unread is left out, so that it holds this much and what one look has found. */
const MAX_UNREAD_BYTES = 256 * KIB;

/** A watcher that has read nothing for this long is ended: it has stopped, and another may need its place. */
const MAX_UNREAD_MS = MINUTE_MS;

/** More watchers than these are refused; each costs what is written to it. */
export const MAX_WATCHERS = 64;

/** Who watches. */
interface WatchReader {
  /** The log whose lines are told too. */
  logPath?: string;
  /** Is told nothing more once its session has ended, as by a rotation of the token. */
  page?: SignedInPage;
}

/** What all watchers are told, produced once for all, and only while there are any. */
export class WatchFeed implements Disposable {
  readonly #sources: WatchSources;
  readonly #watchers = new Set<Watcher>();
  readonly #memory: WatchedMemory;
  /** Aborted when somebody comes who has to be told. */
  #wake = new AbortController();
  /** Aborted when nobody is left. */
  #left = new AbortController();
  #isRunning = false;
  /** Since something could not be told; it is logged once. */
  #isFailing = false;
  #isDisposed = false;

  constructor(sources: WatchSources) {
    this.#sources = sources;
    this.#memory = new WatchedMemory(sources.meter);
  }

  /** What is saved now, by a measurement that is at most ten seconds old. */
  async saved(): Promise<SavedSample> {
    const status = this.#sources.status(this.#memory.ofServers);
    await this.#memory.measure(status);
    return this.#memory.sample(status, 0).saved;
  }

  /** How many watch. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** Lines of what there is and what changes, until the reader leaves or may read no more. */
  watch(reader: WatchReader): ReadableStream<Uint8Array<ArrayBuffer>> {
    let watcher: Watcher;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        watcher = new Watcher(controller, { hello: this.#sources.hello(), ...reader });
        if (this.#isDisposed) return watcher.end();
        this.#watchers.add(watcher);
        this.#wake.abort();
        void this.#run();
      },
      cancel: () => {
        this.#watchers.delete(watcher);
        watcher[Symbol.dispose]();
        if (this.#watchers.size === 0) this.#endRest();
      },
    }, new ByteLengthQueuingStrategy({ highWaterMark: MAX_UNREAD_BYTES }));
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    using calls = new WatchedCalls(this.#sources.calls);
    const state = new WatchedState(this.#sources, { calls, memory: this.#memory });
    while (this.#watchers.size > 0) {
      const beganMs = performance.now();
      this.#lookOnce(state);
      const tookMs = performance.now() - beganMs;
      [this.#wake, this.#left] = [new AbortController(), new AbortController()];
      const [wake, left] = [this.#wake.signal, this.#left.signal];
      const restMs = Math.min(MAX_REST_MS, Math.max(LOOK_MS, REST_PER_LOOK * tookMs));
      const waitMs = Math.min(LOOK_MS, WAIT_PER_LOOK * tookMs);
      await delay(waitMs, { signal: left }).catch(() => {});
      await delay(restMs - waitMs, { signal: wake }).catch(() => {});
    }
    this.#isRunning = false;
  }

  #endRest(): void {
    this.#left.abort();
    this.#wake.abort();
  }

  #lookOnce(state: WatchedState): void {
    const wasFailing = this.#isFailing;
    this.#isFailing = false;
    const look = this.#try(() => state.look(), { wasFailing });
    for (const watcher of this.#watchers) {
      if (!watcher.isAllowed) this.#end(watcher);
      else if (watcher.isStuck) this.#drop(watcher);
      else if (!look || !this.#try(() => watcher.take(look), { wasFailing })) watcher.fallBehind();
    }
  }

  /** What `act` returns; undefined: it has failed. */
  #try<T>(act: () => T, { wasFailing }: { wasFailing: boolean }): T | undefined {
    try {
      return act();
    } catch (thrown) {
      if (!wasFailing && !this.#isFailing) {
        log.error("what runs cannot be told to those who watch; they are told all when it can: {thrown}", {
          thrown,
        });
      }
      this.#isFailing = true;
      return undefined;
    }
  }

  #end(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    watcher.end();
  }

  #drop(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    watcher.drop();
    log.info("one of those who watch has read nothing for a minute, and is left");
  }

  /** Ends every watcher's stream. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const watcher of this.#watchers) this.#end(watcher);
    this.#endRest();
  }
}

/** One reader of the feed. */
class Watcher implements Disposable {
  readonly #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  readonly #log: WatchedLog | undefined;
  readonly #page: SignedInPage | undefined;
  /** Whether it was left out of lines, and has to be told the whole. */
  #isBehind = true;
  #leftOutCalls = 0;
  /** Since when it reads nothing. */
  #unreadSinceMs: number | undefined;

  constructor(
    controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
    { hello, logPath, page }: WatchReader & { hello: JsonObject },
  ) {
    this.#controller = controller;
    this.#page = page;
    if (logPath !== undefined) this.#log = new WatchedLog(logPath);
    this.#write(encodeLine(hello));
  }

  /** Whether it may read on. */
  get isAllowed(): boolean {
    return this.#page?.isSignedIn() ?? true;
  }

  get isStuck(): boolean {
    return this.#unreadSinceMs !== undefined && performance.now() - this.#unreadSinceMs >= MAX_UNREAD_MS;
  }

  /** It was left out of lines, and is told the whole next. */
  fallBehind(): void {
    this.#isBehind = true;
  }

  /** Tells it what was found; false: it does not read. */
  take(look: WatchLook): boolean {
    if ((this.#controller.desiredSize ?? 0) <= 0) {
      this.#unreadSinceMs ??= performance.now();
      this.#leftOutCalls += look.endCount;
      return false;
    }
    for (const chunk of this.#isBehind ? look.whole() : look.changes) this.#write(chunk);
    if (this.#leftOutCalls > 0) this.#write(leftOutLine(this.#leftOutCalls, look.atMs));
    this.#isBehind = false;
    this.#leftOutCalls = 0;
    this.#unreadSinceMs = undefined;
    const lines = this.#log?.take(look.atMs);
    if (lines) this.#write(encodeLine(lines));
    return true;
  }

  #write(chunk: Uint8Array<ArrayBuffer>): void {
    this.#controller.enqueue(chunk);
  }

  /** Ends it once it has read what it was told. */
  end(): void {
    this[Symbol.dispose]();
    this.#controller.close();
  }

  /** Ends it with what it has not read. */
  drop(): void {
    this[Symbol.dispose]();
    // A text: Deno prints what a response ends with, and the trace of an error would look like a crash.
    this.#controller.error("a reader of GET /watch is ended: nothing was read for a minute");
  }

  [Symbol.dispose](): void {
    this.#log?.[Symbol.dispose]();
  }
}
