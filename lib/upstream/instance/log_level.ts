import { untilAborted } from "../../base/abort.ts";
import type { Call, Caller } from "../../call/call.ts";
import { waitingFor } from "../../call/wait.ts";
import { LOG_LEVELS, type LogLevel } from "../../wire/mcp.ts";
import type { Result } from "../../wire/rpc.ts";

/** Taken for what a server sends by itself, where it has not shown that it sends more (MCP server/utilities/logging). */
const USUAL_LEVEL: LogLevel = "info";

/**
 * The log level of a shared upstream: the most talkative that any of its sessions has asked for. It decides for itself
 * until one of them asks. A session that has not asked gets from then on what it would have got otherwise: as much as
 * the server has sent before anybody asked, and at least {@linkcode USUAL_LEVEL}. So the wish of one session neither
 * takes anything from another nor floods it; what is too much for those that have asked is held back where it is
 * delivered to them.
 */
export class SharedLogLevel {
  readonly #setLevel: (level: LogLevel) => Promise<Result>;
  readonly #attached: () => Iterable<Caller>;
  /** What the server has agreed to. */
  #current: LogLevel | undefined;
  #running: Promise<Result> | undefined;
  /** The change after the one that runs, for all who have asked meanwhile. */
  #next: Promise<Result> | undefined;
  /** The most talkative level at which it has sent something by itself. */
  #usual = LOG_LEVELS.indexOf(USUAL_LEVEL);
  /** Whether it was asked for a level, and so does not decide for itself any more. */
  #isAsked = false;
  /** It has not answered: it is asked again only when a client says what it wants. */
  #isSilent = false;

  constructor(setLevel: (level: LogLevel) => Promise<Result>, attached: () => Iterable<Caller>) {
    this.#setLevel = setLevel;
    this.#attached = attached;
  }

  /** The server sends a message of `level`. */
  messageSeen(level: unknown): void {
    const index = LOG_LEVELS.indexOf(level as LogLevel);
    if (!this.#isAsked && index >= 0) this.#usual = Math.min(this.#usual, index);
  }

  /** Whether a session gets a message of `level`, as far as others have a part in that; its own wish is kept elsewhere. */
  passes({ logLevel }: Pick<Caller, "logLevel">, level: unknown): boolean {
    if (logLevel !== undefined || !this.#isAsked) return true;
    const index = LOG_LEVELS.indexOf(level as LogLevel);
    return index < 0 || index >= this.#usual;
  }

  /** A session has come or gone. */
  attachedChanged(): void {
    if (!this.#isSilent) this.update().catch(() => {});
  }

  /** `call` of a session says what that wants of the server `name`. */
  call(call: Call, name: string): Promise<Result> {
    return waitingFor(call, `server "${name}" to take a log level`, untilAborted(this.update(), call.signal));
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
    // What it sends before it answers may be by the new level already.
    this.#isAsked = true;
    try {
      const result = await this.#setLevel(wanted);
      this.#isSilent = false;
      if (!result.error) this.#current = wanted;
      else this.#isAsked = this.#current !== undefined;
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
    return LOG_LEVELS.at(Math.min(...levels.map((level) => level ? LOG_LEVELS.indexOf(level) : this.#usual)));
  }
}
