import { deadline } from "@std/async/deadline";
import { join } from "@std/path/join";
import { type LogOptions, type LogSink, setupLog } from "../base/log.ts";
import { MIB } from "../base/units.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Program, Settings } from "../config/settings.ts";
import { LineWriter } from "../transport/line_writer.ts";
import { RotatingFile } from "./rotating_file.ts";

interface LoggingOptions {
  program: Program;
  settings: Pick<Settings, "logLevel" | "logFormat" | "metricsMaxBytes">;
  paths: Pick<StatePaths, "logs">;
  /** Further sinks by name. */
  sinks?: Readonly<Record<string, LogSink>>;
}

/** Logging set up by {@linkcode startLogging}; dispose writes the queued lines. */
export interface Logging extends AsyncDisposable {
  /** Why the log file cannot be written now, in a sentence, or none. */
  faults(): string[];
  /** Logs from `level` on. */
  setLevel(level: Settings["logLevel"]): void;
}

/** Most text queued for a stderr that is not read. */
const MAX_STDERR_CHARS = MIB;
const FLUSH_TIMEOUT_MS = 1000;

/** Sends the program's log to stderr and to a private, rotated file in the state directory. */
export async function startLogging(options: LoggingOptions): Promise<Logging> {
  const { program, settings, paths } = options;
  await Deno.mkdir(paths.logs, { recursive: true, mode: 0o700 }).catch(() => {});
  const file = new RotatingFile(join(paths.logs, `${program}.log`), { maxBytes: settings.metricsMaxBytes });
  const stderr = new LineWriter(Deno.stderr);
  const log: Omit<LogOptions, "level"> = {
    format: settings.logFormat,
    sinks: {
      file: (format) => (record) => file.append(format(record)),
      // Never blocks: an editor that does not read stderr must not stall its own calls.
      stderr: (format) => (record) => {
        if (stderr.queuedChars < MAX_STDERR_CHARS) stderr.write(format(record));
      },
      ...options.sinks,
    },
  };
  setupLog({ ...log, level: settings.logLevel });
  return {
    setLevel: (level) => setupLog({ ...log, level }),
    faults: () => file.fault === undefined ? [] : [file.fault],
    async [Symbol.asyncDispose]() {
      const written = Promise.all([file[Symbol.asyncDispose](), stderr.flushed()]);
      await deadline(written, FLUSH_TIMEOUT_MS).catch(() => {});
    },
  };
}
