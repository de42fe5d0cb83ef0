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

/** Makes of a formatter the place log lines go to. What it writes has no secret in it. */
export type LogSink = (format: TextFormatter) => (record: LogRecord) => void;

export interface LogOptions {
  /** Least severe level that is logged. */
  level: LogLevel;
  format: "text" | "json";
  /** Where every line goes, by a name of its own. */
  sinks: Readonly<Record<string, LogSink>>;
}

/**
 * Sends what is logged under the category `exai` to `options.sinks`. Calling it again replaces what was set up.
 *
 * The sinks must be synchronous and are not closed here: whoever made them flushes them.
 */
export function setupLog(options: LogOptions): void {
  const formatter = options.format === "json" ? getJsonLinesFormatter() : getTextFormatter({
    timestamp: "rfc3339",
    level: "full",
    category: ".",
    value: "bare",
    // A name a client chose must not be able to forge a line of its own.
    sanitize: { newlines: "escape" },
  });
  // A client or a server may have chosen any part of a line.
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
