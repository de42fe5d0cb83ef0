import type { Caller } from "../call/call.ts";
import { LOG_LEVELS, type LogLevel } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";

/**
 * The log level of a shared upstream: the most talkative that any of its sessions wants. It decides for itself until one
 * of them says; one that has said nothing is taken to want all there is, so that nobody else's wish takes any from it.
 * What is too much for the others is held back where it is delivered to them.
 */
export class SharedLogLevel {
  readonly #setLevel: (level: LogLevel) => Promise<Result>;
  readonly #attached: () => Iterable<Caller>;
  /** What the server has agreed to. */
  #current: LogLevel | undefined;
  #running: Promise<Result> | undefined;
  /** The change after the one that runs, for all who have asked meanwhile. */
  #next: Promise<Result> | undefined;
  /** It has not answered: it is asked again only when a client says what it wants. */
  #isSilent = false;

  constructor(setLevel: (level: LogLevel) => Promise<Result>, attached: () => Iterable<Caller>) {
    this.#setLevel = setLevel;
    this.#attached = attached;
  }

  /** A session has come or gone. */
  attachedChanged(): void {
    if (!this.#isSilent) this.update().catch(() => {});
  }

  /**
   * Tells the upstream if what all sessions want has changed. One change at a time, decided when it is its turn, so that
   * the server ends with what is wanted last; whoever asks hears what the server said.
   *
   * @throws {ExaiError} what `setLevel` throws
   */
  update(): Promise<Result> {
    const running = this.#running;
    if (!running) return this.#run();
    return this.#next ??= running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#run();
    });
  }

  #run(): Promise<Result> {
    const running = this.#tell().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    return this.#running = running;
  }

  async #tell(): Promise<Result> {
    const wanted = this.#wanted();
    if (wanted === undefined || wanted === this.#current) return { result: {} };
    try {
      const result = await this.#setLevel(wanted);
      this.#isSilent = false;
      if (!result.error) this.#current = wanted;
      return result;
    } catch (thrown) {
      this.#isSilent = true;
      throw thrown;
    }
  }

  #wanted(): LogLevel | undefined {
    const levels = Array.from(this.#attached(), ({ logLevel }) => logLevel);
    if (levels.length === 0) return undefined;
    if (this.#current === undefined && levels.every((level) => level === undefined)) return undefined;
    return LOG_LEVELS[Math.min(...levels.map((level) => LOG_LEVELS.indexOf(level ?? LOG_LEVELS[0])))];
  }
}
