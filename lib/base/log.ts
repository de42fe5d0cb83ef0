import {
  configureSync,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogLevel,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";
import { redact, registerSecret } from "./secrets.ts";
import { jsonEscaped, visibleLines } from "./visible.ts";

export { redact, registerSecret };

/** Makes a sink from a formatter. The formatter's output has no secrets in it. */
export type LogSink = (format: TextFormatter) => (record: LogRecord) => void;

export interface LogOptions {
  /** Least severe level that is logged. */
  level: LogLevel;
  format: "text" | "json";
  /** Each record goes to every sink. */
  sinks: Readonly<Record<string, LogSink>>;
}

/**
 * Sends what is logged under the category `exai` to `options.sinks`, replacing an earlier set-up.
 *
 * The sinks must be synchronous. They are not closed here: their owner flushes them.
 */
export function setupLog(options: LogOptions): void {
  const formatter = options.format === "json" ? getJsonLinesFormatter() : getTextFormatter({
    timestamp: "rfc3339",
    level: "full",
    category: ".",
    value: "bare",
    // A name chosen by a client must not be able to forge a line.
    sanitize: { newlines: "escape" },
  });
  // Any part of a line may come from a client or a server.
  const shown = options.format === "json" ? jsonEscaped : visibleLines;
  const clean: TextFormatter = (record) => shown(redact(formatter(record)));
  const sinks = Object.fromEntries(
    Object.entries(options.sinks).map(([name, sink]) => [name, sink(clean)]),
  );
  const names = Object.keys(sinks);
  configureSync({
    reset: true,
    sinks,
    loggers: [
      { category: ["exai"], lowestLevel: options.level, sinks: names },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: names },
    ],
  });
}
