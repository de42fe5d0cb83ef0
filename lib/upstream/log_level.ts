import type { Caller } from "../call/call.ts";
import { LOG_LEVELS, type LogLevel } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";

/**
 * The log level of a shared upstream: the most talkative that any of its sessions wants. What is too much for the
 * others is held back where it is delivered to them.
 */
export class SharedLogLevel {
  readonly #setLevel: (level: LogLevel) => Promise<Result>;
  #current: LogLevel | undefined;

  constructor(setLevel: (level: LogLevel) => Promise<Result>) {
    this.#setLevel = setLevel;
  }

  /** `asking` has set its level: tells the upstream if what all of `attached` want has changed. */
  async set(asking: Caller, attached: Iterable<Caller>): Promise<Result> {
    const levels = [asking, ...attached].map(({ logLevel }) => logLevel).filter((level) =>
      level !== undefined
    );
    const wanted = LOG_LEVELS[Math.min(...levels.map((level) => LOG_LEVELS.indexOf(level)))];
    if (wanted === undefined || wanted === this.#current) return { result: {} };
    const result = await this.#setLevel(wanted);
    if (!result.error) this.#current = wanted;
    return result;
  }
}
