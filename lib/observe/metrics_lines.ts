import { visibleJson } from "../base/visible.ts";
import { type CallRecord, isoTime } from "./call_record.ts";

/** Sessions and tools whose names are kept as they are written. */
const MAX_NAMES = 1000;

/** The names of one session as a line has them, and those of its tools. */
interface SessionNames {
  client: string | undefined;
  text: string;
}

/** Writes the lines of `metrics.jsonl`. Names are written once for each session and tool, and not for each call. */
export class MetricsLines {
  readonly #sessions = new Map<string, SessionNames>();
  readonly #tools = new Map<string, string>();

  /** The line of one call, line feed included. */
  lineOf(record: CallRecord): string {
    const { endedAtMs, durationMs, outcome, bytesIn, bytesOut } = record;
    const ms = Math.round(durationMs * 1000) / 1000;
    // No outcome has a character that must be escaped.
    return `{"time":"${isoTime(endedAtMs)}",${this.#sessionOf(record)},"tool":${this.#toolOf(record.tool)},` +
      `"duration_ms":${ms},"outcome":"${outcome}","bytes_in":${bytesIn},"bytes_out":${bytesOut}}\n`;
  }

  #sessionOf({ session, client }: CallRecord): string {
    let names = this.#sessions.get(session);
    if (names?.client !== client || !names) {
      const text = visibleJson({ session, client }).slice(1, -1);
      keep(this.#sessions, session, names = { client, text });
    }
    return names.text;
  }

  #toolOf(tool: string): string {
    const known = this.#tools.get(tool);
    if (known !== undefined) return known;
    const text = visibleJson(tool);
    keep(this.#tools, tool, text);
    return text;
  }
}

/** Clients choose the names: there may be any number. */
function keep<T>(names: Map<string, T>, name: string, text: T): void {
  if (names.size >= MAX_NAMES) names.clear();
  names.set(name, text);
}
