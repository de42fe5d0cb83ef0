import { deadline } from "@std/async/deadline";
import { join } from "@std/path/join";
import { type LogSink, setupLog } from "../base/log.ts";
import { MIB } from "../base/units.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Program, Settings } from "../config/settings.ts";
import { LineWriter } from "../transport/line_writer.ts";
import { RotatingFile } from "./rotating_file.ts";

interface LoggingOptions {
  program: Program;
  settings: Pick<Settings, "logLevel" | "logFormat" | "metricsMaxBytes">;
  paths: Pick<StatePaths, "logs">;
  /** Further places lines go to, by a name of their own. */
  sinks?: Readonly<Record<string, LogSink>>;
}

/** What has been set up by {@linkcode startLogging}; disposing of it writes out what waits. */
export interface Logging extends AsyncDisposable {
  /** What is wrong with the log file now, in a sentence. */
  faults(): string[];
}

/** Text for a stderr nobody reads that is kept at most. */
const MAX_STDERR_CHARS = MIB;
const FLUSH_TIMEOUT_MS = 1000;

/** Sends the program's log to stderr and to a private, rotated file of its own in the state directory. */
export async function startLogging(options: LoggingOptions): Promise<Logging> {
  const { program, settings, paths } = options;
  await Deno.mkdir(paths.logs, { recursive: true, mode: 0o700 }).catch(() => {});
  const file = new RotatingFile(join(paths.logs, `${program}.log`), { maxBytes: settings.metricsMaxBytes });
  const stderr = new LineWriter(Deno.stderr);
  setupLog({
    level: settings.logLevel,
    format: settings.logFormat,
    sinks: {
      file: (format) => (record) => file.append(format(record)),
      // Never blocks: an editor that does not read stderr must not stop its own calls.
      stderr: (format) => (record) => {
        if (stderr.queuedChars < MAX_STDERR_CHARS) stderr.write(format(record));
      },
      ...options.sinks,
    },
  });
  return {
    faults: () => file.fault === undefined ? [] : [file.fault],
    async [Symbol.asyncDispose]() {
      const written = Promise.all([file.flush(), stderr.flushed()]);
      await deadline(written, FLUSH_TIMEOUT_MS).catch(() => {});
    },
  };
}
