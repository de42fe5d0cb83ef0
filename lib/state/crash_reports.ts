import { getLogger } from "@logtape/logtape";
import { join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { type LogSink, redact } from "../base/log.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { jsonEscaped } from "../base/visible.ts";
import { COMMIT, COMMITTED_AT, VERSION } from "../base/version.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { RingBuffer } from "../observe/ring_buffer.ts";
import { isAlive } from "./live_process.ts";

const log = getLogger(["exai", "daemon"]);

interface CrashReportsOptions {
  /** Directory of the reports, created with the first. */
  dir: string;
  /** The health of the daemon, for the report; asked while a report is written. */
  counts?(): JsonObject;
  /** Ends the daemon, after a flood of errors was logged and reported. */
  exit(code: number): void;
}

const MAX_REPORTS = 10;
const LOG_LINES = 200;
/** More uncaught errors than this within a minute end the daemon, so that a new one starts from a clean state. */
const MAX_UNCAUGHT = 20;

/** The exit code after a flood of uncaught errors (sysexits.h, EX_SOFTWARE). */
const CRASHED = 70;

/**
 * Handles uncaught errors: logs them and writes a report. The daemon keeps running, since calls do not share state; only a
 * flood of errors ends it.
 */
export class CrashReports implements Disposable {
  readonly #options: CrashReportsOptions;
  readonly #lines = new RingBuffer<string>(LOG_LINES);
  /** When the uncaught errors of the last minute came, on the monotonic clock. */
  readonly #uncaughtMs: number[] = [];
  readonly #notes: string[] = [];
  #isEnding = false;

  constructor(options: CrashReportsOptions) {
    this.#options = options;
  }

  /** Collects the latest log lines, for a report. */
  readonly sink: LogSink = (format) => (record) => this.#lines.push(format(record).trimEnd());

  /** Notes for the health report. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Installs the handlers. The latest report of an earlier daemon becomes a note. */
  install(): void {
    const last = this.#names().at(-1);
    if (last !== undefined) this.#notes.push(`there is a crash report: ${join(this.#options.dir, last)}`);
    globalThis.addEventListener("unhandledrejection", this.#onRejection);
    globalThis.addEventListener("error", this.#onError);
  }

  [Symbol.dispose](): void {
    globalThis.removeEventListener("unhandledrejection", this.#onRejection);
    globalThis.removeEventListener("error", this.#onError);
  }

  /** Writes a report. Never throws; its path, undefined when it could not be written. */
  write(thrown: unknown, fatal: boolean): string | undefined {
    try {
      Deno.mkdirSync(this.#options.dir, { recursive: true, mode: 0o700 });
      const name = `crash-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.json`;
      const path = join(this.#options.dir, name);
      // Redacted as a whole: a secret may be in the message, the stack or the counts.
      const text = jsonEscaped(redact(JSON.stringify(this.#report(thrown, fatal), null, 2)));
      Deno.writeTextFileSync(path, `${text}\n`, { mode: 0o600 });
      for (const old of this.#names().slice(0, -MAX_REPORTS)) Deno.removeSync(join(this.#options.dir, old));
      return path;
    } catch (fault) {
      log.error("the crash report could not be written: {message}", { message: messageOf(fault) });
      return undefined;
    }
  }

  #onRejection = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    this.#caught(event.reason, "a promise was rejected and nobody took it");
  };

  #onError = (event: ErrorEvent): void => {
    event.preventDefault();
    this.#caught(event.error, "an error was thrown and nobody caught it");
  };

  #caught(thrown: unknown, what: string): void {
    if (this.#isEnding) return;
    const nowMs = performance.now();
    this.#uncaughtMs.push(nowMs);
    while (this.#uncaughtMs[0]! < nowMs - MINUTE_MS) this.#uncaughtMs.shift();
    this.#isEnding = this.#uncaughtMs.length > MAX_UNCAUGHT;
    log.error("{what}: {thrown}", { what, thrown });
    // Only the first of a flood is reported: more reports would push it out of the directory.
    const isFirst = this.#uncaughtMs.length === 1;
    if (!isFirst && !this.#isEnding) return;
    const path = this.write(thrown, this.#isEnding);
    if (path) this.#notes.splice(0, Infinity, `${what}: ${redact(messageOf(thrown))}; report: ${path}`);
    if (!this.#isEnding) return;
    log.fatal("{count} such errors within a minute: the daemon ends", { count: this.#uncaughtMs.length });
    this.#options.exit(CRASHED);
  }

  #report(thrown: unknown, fatal: boolean): JsonObject {
    return {
      time: new Date().toISOString(),
      fatal,
      error: messageOf(thrown),
      stack: thrown instanceof Error ? thrown.stack : undefined,
      version: VERSION,
      commit: COMMIT || undefined,
      committed_at: COMMITTED_AT || undefined,
      runtime: `deno ${Deno.version.deno} (v8 ${Deno.version.v8})`,
      system: `${Deno.build.os} ${Deno.build.arch}`,
      pid: Deno.pid,
      uptime_s: Math.round(performance.now() / SECOND_MS),
      memory: { ...Deno.memoryUsage() },
      counts: this.#options.counts?.() ?? {},
      log: this.#lines.last(LOG_LINES),
    };
  }

  #names(): string[] {
    try {
      return [...Deno.readDirSync(this.#options.dir)].map(({ name }) => name)
        .filter((name) => /^crash-.*\.json$/.test(name)).sort();
    } catch {
      return [];
    }
  }
}

/**
 * Says so when the previous daemon was killed, crashed, or ended with the machine: its health file still says that it
 * runs, and its process does not exist.
 *
 * @param path its `health.json`
 * @returns a note for the health report, or none
 */
export async function describeUncleanExit(path: string): Promise<string[]> {
  try {
    const health: unknown = JSON.parse(await readRegularFile(path));
    if (!isObject(health) || health.status === "stopped" || typeof health.pid !== "number") return [];
    if (await isAlive(health.pid)) return [];
    return [
      `the daemon before this one (process ${health.pid}) ended without stopping; it was last seen at ${health.time}`,
    ];
  } catch {
    // There was no daemon before, or its file is unreadable.
    return [];
  }
}
