import { Backoff } from "../../base/backoff.ts";
import { messageOf } from "../../base/errors.ts";
import { LineSplitter } from "../../base/line_splitter.ts";
import type { WatchEvent } from "../../admin/watch_event.ts";

/** How the page stands with the daemon. */
export type WatchLink =
  | { is: "connecting" }
  | { is: "live" }
  /** It does not answer, or has stopped to; it is asked again. */
  | { is: "lost"; why: string; retryInMs: number }
  /** It wants its token. */
  | { is: "signed out"; why: string }
  /** Nobody looks at the page. */
  | { is: "paused" };

interface WatchClientOptions {
  fetch(path: string, init: RequestInit): Promise<Response>;
  /** Resolves after `ms`, or when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  onEvent(event: WatchEvent): void;
  onLink(link: WatchLink): void;
}

/** A stream on which nothing comes for this long is dead: there is a sample every two seconds. */
const SILENT_MS = 15_000;
/** Not shortened at random: pages of a daemon are too few to matter when they ask in step. */
const RETRY = { minMs: 500, maxMs: 15_000, random: () => 0 };
/** The longest line that is read, in characters. */
const MAX_LINE_CHARS = 64 * 1024 * 1024;

/** Reads `GET /watch` for as long as the page is open, and begins again when it breaks off. */
export class WatchClient {
  readonly #options: WatchClientOptions;
  #log: string | undefined;
  #isPaused = false;
  readonly #backoff = new Backoff(RETRY);
  /** Why another request was refused, since the last try. */
  #refusal: string | undefined;
  /** Ends the stream or the wait of now. */
  #turn = new AbortController();

  constructor(options: WatchClientOptions) {
    this.#options = options;
  }

  /** Reads until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#turn.abort());
    while (!signal.aborted) {
      this.#turn = new AbortController();
      const { signal: turn } = this.#turn;
      const link = await this.#turnOf(turn);
      if (turn.aborted) continue;
      this.#options.onLink(link);
      await this.#options.wait(link.is === "lost" ? link.retryInMs : Infinity, turn);
    }
  }

  /** What one turn comes to, which `turn` ends early. */
  #turnOf(turn: AbortSignal): WatchLink | Promise<WatchLink> {
    if (this.#isPaused) return { is: "paused" };
    if (this.#refusal !== undefined) return { is: "signed out", why: this.#refusal };
    return this.#watch(turn);
  }

  /** The daemon wants its token for another request: a stream that is open still ends, and nothing is asked until somebody has signed in. */
  signOut(why: string): void {
    this.#refusal = why;
    this.#turn.abort();
  }

  /** Has the lines of a server's log told too. */
  setLog(name: string | undefined): void {
    if (name === this.#log) return;
    this.#log = name;
    this.retry();
  }

  /** Begins again at once. */
  retry(): void {
    this.#refusal = undefined;
    this.#backoff.reset();
    this.#turn.abort();
  }

  /** Reads nothing while nobody looks. */
  pause(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.retry();
  }

  /** One stream from its beginning to its end; how it stands after that. */
  async #watch(turn: AbortSignal): Promise<WatchLink> {
    this.#options.onLink({ is: "connecting" });
    try {
      const path = this.#log === undefined ? "/watch" : `/watch?log=${encodeURIComponent(this.#log)}`;
      const response = await this.#options.fetch(path, { signal: turn });
      if (response.status === 401) return { is: "signed out", why: await reasonOf(response) };
      if (!response.ok || !response.body) throw new Error(await reasonOf(response));
      await this.#read(response.body, turn);
      throw new Error("the daemon has ended the connection");
    } catch (thrown) {
      return { is: "lost", why: describe(thrown), retryInMs: this.#backoff.next() };
    }
  }

  async #read(body: ReadableStream<Uint8Array<ArrayBuffer>>, turn: AbortSignal): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const stop = () => void reader.cancel().catch(() => {});
    turn.addEventListener("abort", stop);
    const lines = new LineSplitter();
    try {
      while (true) {
        const { done, value } = await this.#timely(reader.read());
        if (done) return;
        for (const line of lines.take(value)) this.#takeLine(line);
        if (lines.begunChars > MAX_LINE_CHARS) throw new Error("the daemon has sent a line that is too long");
      }
    } finally {
      turn.removeEventListener("abort", stop);
      stop();
    }
  }

  #takeLine(line: string): void {
    if (line.trim() === "") return;
    const event = JSON.parse(line) as WatchEvent;
    if (event.type === "hello") {
      this.#backoff.reset();
      this.#options.onLink({ is: "live" });
    }
    this.#options.onEvent(event);
  }

  async #timely<T>(reading: Promise<T>): Promise<T> {
    const timer = new AbortController();
    const silence = this.#options.wait(SILENT_MS, timer.signal).then((): never => {
      throw new Error(`the daemon has sent nothing for ${SILENT_MS / 1000} s`);
    });
    silence.catch(() => {});
    try {
      return await Promise.race([reading, silence]);
    } finally {
      timer.abort();
    }
  }
}

/** What a response says went wrong. */
export async function reasonOf(response: Response): Promise<string> {
  try {
    const { error } = await response.json() as { error: { code: string; message: string } };
    return `${error.message} (${error.code})`;
  } catch {
    return `the daemon has answered with the status ${response.status}`;
  }
}

/** A failure of `fetch` says nothing that helps a person. */
export function describe(thrown: unknown): string {
  if (thrown instanceof TypeError) return "the daemon does not answer: it may have stopped or be starting";
  if (thrown instanceof SyntaxError) return "the daemon has sent what is no JSON";
  return messageOf(thrown);
}
