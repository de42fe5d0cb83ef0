import { getLogger } from "@logtape/logtape";
import { join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type LogSink, redact } from "../base/log.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { jsonEscaped } from "../base/visible.ts";
import { VERSION } from "../base/version.ts";
import { RingBuffer } from "../observe/ring_buffer.ts";

const log = getLogger(["exai", "daemon"]);

interface CrashReportsOptions {
  /** Directory of the reports; made with the first. */
  dir: string;
  /** What the daemon counts, for the report. */
  counts?: () => JsonObject;
  /** Ends the daemon after what cannot be survived; it has been logged and reported. */
  exit: (code: number) => void;
}

const MAX_REPORTS = 10;
const LOG_LINES = 200;
/** So many errors nobody caught within a minute are no accident any more: a fresh daemon is better than this one. */
const MAX_STRAYS = 20;

/** The exit code after errors that could not be survived (sysexits.h, EX_SOFTWARE). */
const CRASHED = 70;

/**
 * Catches what nobody else does: logs it, writes a report, and lets the daemon go on, since each call stands for itself.
 * Only a flood of it ends the daemon.
 */
export class CrashReports implements Disposable {
  counts: () => JsonObject;
  readonly #options: CrashReportsOptions;
  readonly #lines = new RingBuffer<string>(LOG_LINES);
  readonly #strays: number[] = [];
  readonly #notes: string[] = [];
  #isEnding = false;

  constructor(options: CrashReportsOptions) {
    this.#options = options;
    this.counts = options.counts ?? (() => ({}));
  }

  /** Keeps the latest log lines, for a report. */
  readonly sink: LogSink = (format) => (record) => this.#lines.push(format(record).trimEnd());

  /** What the reports have to say to whoever looks at health. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Begins to catch. Reports of daemons before this one become a note. */
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

  /** Writes a report; gives its path, undefined when it could not be written. Never throws. */
  write(thrown: unknown, fatal: boolean): string | undefined {
    try {
      Deno.mkdirSync(this.#options.dir, { recursive: true, mode: 0o700 });
      const name = `crash-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.json`;
      const path = join(this.#options.dir, name);
      // Redacted as a whole: a secret may be in the message, in the stack, or in what the daemon counts.
      Deno.writeTextFileSync(
        path,
        jsonEscaped(redact(JSON.stringify(this.#report(thrown, fatal), null, 2))) + "\n",
        {
          mode: 0o600,
        },
      );
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
    this.#strays.push(nowMs);
    while (this.#strays[0]! < nowMs - MINUTE_MS) this.#strays.shift();
    this.#isEnding = this.#strays.length > MAX_STRAYS;
    log.error("{what}: {thrown}", { what, thrown });
    // One of a kind is told of in full; the rest of a flood would only push it out.
    const isFirst = this.#strays.length === 1;
    if (!isFirst && !this.#isEnding) return;
    const path = this.write(thrown, this.#isEnding);
    if (path) this.#notes.splice(0, Infinity, `${what}: ${redact(messageOf(thrown))}; report: ${path}`);
    if (!this.#isEnding) return;
    log.fatal("{count} such errors within a minute: the daemon ends", { count: this.#strays.length });
    this.#options.exit(CRASHED);
  }

  #report(thrown: unknown, fatal: boolean): JsonObject {
    return {
      time: new Date().toISOString(),
      fatal,
      error: messageOf(thrown),
      stack: thrown instanceof Error ? thrown.stack : undefined,
      version: VERSION,
      runtime: `deno ${Deno.version.deno} (v8 ${Deno.version.v8})`,
      system: `${Deno.build.os} ${Deno.build.arch}`,
      pid: Deno.pid,
      uptime_s: Math.round(performance.now() / SECOND_MS),
      memory: { ...Deno.memoryUsage() },
      counts: this.counts(),
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
