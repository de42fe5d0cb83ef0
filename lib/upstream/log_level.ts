import type { Caller } from "../call/call.ts";
import { LOG_LEVELS, type LogLevel } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";

/**
 * The log level of a shared upstream: the most talkative that any of its sessions wants; one that has said nothing is
 * taken to want all there is. What is too much for the others is held back where it is delivered to them.
 */
export class SharedLogLevel {
  readonly #setLevel: (level: LogLevel) => Promise<Result>;
  /** What the server has agreed to. */
  #current: LogLevel | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(setLevel: (level: LogLevel) => Promise<Result>) {
    this.#setLevel = setLevel;
  }

  /**
   * Tells the upstream if what all of `attached` want has changed. It decides for itself until one of them says. One
   * change at a time, each decided when it is its turn, so that the server ends with what is wanted last; whoever asks
   * hears what the server said.
   */
  update(attached: () => Iterable<Caller>): Promise<Result> {
    const told = this.#last.then(() => this.#tell(attached()));
    this.#last = told.catch(() => {});
    return told;
  }

  async #tell(attached: Iterable<Caller>): Promise<Result> {
    const levels = Array.from(attached, ({ logLevel }) => logLevel);
    const isOpen = this.#current === undefined && levels.every((level) => level === undefined);
    const wanted = isOpen ? undefined : mostTalkative(levels);
    if (wanted === undefined || wanted === this.#current) return { result: {} };
    const result = await this.#setLevel(wanted);
    if (!result.error) this.#current = wanted;
    return result;
  }
}

function mostTalkative(levels: readonly (LogLevel | undefined)[]): LogLevel | undefined {
  if (levels.length === 0) return undefined;
  return LOG_LEVELS[Math.min(...levels.map((level) => LOG_LEVELS.indexOf(level ?? LOG_LEVELS[0])))];
}
