import { untilAborted } from "../../base/abort.ts";
import type { Call, Caller } from "../../call/call.ts";
import { waitingFor } from "../../call/wait.ts";
import { LOG_LEVELS, type LogLevel, reachesLevel } from "../../wire/mcp.ts";
import type { Result } from "../../wire/rpc.ts";

/** Assumed default level of a server that has not sent anything more verbose (MCP server/utilities/logging). */
const DEFAULT_LEVEL: LogLevel = "info";

/**
 * The log level of a shared server: the most verbose that any of its sessions has set; the server's default while none
 * has. A session that has set none keeps getting what the default gave: the most verbose level seen before, at least
 * {@linkcode DEFAULT_LEVEL}. Sessions that have set a level filter on delivery.
 */
export class SharedLogLevel {
  readonly #setLevel: (level: LogLevel) => Promise<Result>;
  readonly #attached: () => Iterable<Caller>;
  /** The level the server has accepted. */
  #current: LogLevel | undefined;
  #running: Promise<Result> | undefined;
  /** The change after the running one, for all calls made meanwhile. */
  #next: Promise<Result> | undefined;
  /** Index of the most verbose level seen while the server used its default. */
  #defaultIndex = LOG_LEVELS.indexOf(DEFAULT_LEVEL);
  /** Whether a level was set on the server. */
  #isSet = false;
  /** The most verbose level that a session has set for one of its calls, where its client sets it for each. */
  readonly #ofCalls = new WeakMap<object, LogLevel>();
  /** Whether the last request failed: another is made only for a session that sets a level. */
  #hasFailed = false;

  constructor(setLevel: (level: LogLevel) => Promise<Result>, attached: () => Iterable<Caller>) {
    this.#setLevel = setLevel;
    this.#attached = attached;
  }

  /** The server has sent a message of `level`. */
  messageSeen(level: unknown): void {
    const index = LOG_LEVELS.indexOf(level as LogLevel);
    if (!this.#isSet && index >= 0) this.#defaultIndex = Math.min(this.#defaultIndex, index);
  }

  /** Whether a session that has set no level gets a message of `level`; true for a session that filters itself. */
  passes({ logLevel }: Pick<Caller, "logLevel">, level: unknown): boolean {
    if (logLevel !== undefined || !this.#isSet) return true;
    const index = LOG_LEVELS.indexOf(level as LogLevel);
    return index < 0 || index >= this.#defaultIndex;
  }

  /**
   * A session wants log messages of `level` about one of its calls. The server keeps the level: each change is a request
   * more. Messages that are not wanted are left out on their way to the client.
   */
  callWants(caller: object, level: LogLevel): void {
    const known = this.#ofCalls.get(caller);
    if (known !== undefined && reachesLevel(level, known)) return;
    this.#ofCalls.set(caller, level);
    this.update().catch(() => {});
  }

  /** A session was attached or detached. */
  attachedChanged(): void {
    if (!this.#hasFailed) this.update().catch(() => {});
  }

  /** Handles `logging/setLevel`; `name` is the server's. */
  call(call: Call, name: string): Promise<Result> {
    return waitingFor(call, `server "${name}" to take a log level`, untilAborted(this.update(), call.signal));
  }

  /**
   * Sets the level on the server if it has changed. Changes are made one at a time with the level then wanted, so that
   * the last one counts; resolves with the server's answer.
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
    const running = this.#applyWanted().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    return this.#running = running;
  }

  async #applyWanted(): Promise<Result> {
    const wanted = this.#wanted();
    if (wanted === undefined || wanted === this.#current) return { result: {} };
    // Messages before the answer may be of the new level already.
    this.#isSet = true;
    try {
      const result = await this.#setLevel(wanted);
      this.#hasFailed = false;
      if (!result.error) this.#current = wanted;
      else this.#isSet = this.#current !== undefined;
      return result;
    } catch (thrown) {
      this.#hasFailed = true;
      throw thrown;
    }
  }

  #wanted(): LogLevel | undefined {
    const levels = Array.from(this.#attached(), (caller) => caller.logLevel ?? this.#ofCalls.get(caller));
    if (levels.length === 0) return undefined;
    if (this.#current === undefined && levels.every((level) => level === undefined)) return undefined;
    return LOG_LEVELS.at(
      Math.min(...levels.map((level) => level ? LOG_LEVELS.indexOf(level) : this.#defaultIndex)),
    );
  }
}
