import {
  configureSync,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogLevel,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";

/** Makes of a formatter the place log lines go to. What it writes has no secret in it. */
export type LogSink = (format: TextFormatter) => (record: LogRecord) => void;

export interface LogOptions {
  /** Least severe level that is logged. */
  level: LogLevel;
  format: "text" | "json";
  /** Where every line goes, by a name of its own. */
  sinks: Readonly<Record<string, LogSink>>;
}

// Longest first: a secret that holds another must go as a whole.
const secrets: string[] = [];

const MIN_SECRET_LENGTH = 4;

/**
 * Keeps `value` out of every log line from now on, as it is and as JSON, `Deno.inspect` and URLs write it. A value
 * too short to be a secret is ignored.
 */
export function registerSecret(value: string): void {
  if (value.length < MIN_SECRET_LENGTH) return;
  const escaped = escape(value);
  const inspected = value.replaceAll("\\", "\\\\");
  for (const form of [value, escaped, escape(escaped), inspected, encodeURIComponent(value)]) {
    if (!secrets.includes(form)) secrets.push(form);
  }
  secrets.sort((a, b) => b.length - a.length);
}

/** `text` as it stands within a JSON string. */
function escape(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** `text` with `[secret]` in place of every registered secret. */
export function redact(text: string): string {
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, "[secret]"), text);
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
  const clean: TextFormatter = (record) => redact(formatter(record));
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
