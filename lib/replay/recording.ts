import { ExaiError } from "../base/errors.ts";
import { exactJson, isObject, type Json, type JsonObject, numberOf, plainOf, textOf } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { EXPORT_FORMAT } from "../admin/call_export.ts";
import { isEventKind, type RecordedCall, type RecordedEvent, type RecordedShown } from "./recorded.ts";
import { readLines } from "./lines.ts";

/** One session of a file that `exai-daemon calls export` has made. */
export interface Recording {
  session: string;
  shown: readonly RecordedShown[];
  /** In the order in which they began. */
  calls: readonly RecordedCall[];
}

interface ReadOptions {
  /** The id of the session, or its beginning; undefined where the file has one. */
  session?: string;
}

const HOW_MADE = "exai-daemon calls export --out FILE makes one";

/**
 * Reads one session of the file `path`.
 *
 * @throws {ExaiError} `CONFIG` for a file that is missing, cut, too large, of a later version or none of these;
 * `RESOURCE_NOT_FOUND` for a session that it does not have, `INVALID_PARAMS` where it has several
 */
export async function readRecording(path: string, { session }: ReadOptions = {}): Promise<Recording> {
  const reader = new RecordingReader(path, session);
  let number = 0;
  for await (const line of readLines(path)) reader.take(line, ++number);
  return reader.finish();
}

/** Takes the lines of a file, one after the other. */
class RecordingReader {
  readonly #path: string;
  readonly #wanted: string | undefined;
  /** The number of calls by session. */
  readonly #sessions = new Map<string, number>();
  readonly #shown: RecordedShown[] = [];
  readonly #calls: RecordedCall[] = [];
  #hasHeader = false;
  #end: JsonObject | undefined;

  constructor(path: string, wanted: string | undefined) {
    this.#path = path;
    this.#wanted = wanted;
  }

  /** @throws {ExaiError} `CONFIG` naming the line */
  take(line: string, number: number): void {
    if (number === 1) return this.#takeHeader(objectIn(line));
    if (line.trim() === "") return;
    if (this.#end) throw this.#fault(`line ${number} follows the end of the record; export it again`);
    const value = objectIn(line);
    if (value === undefined) {
      throw this.#fault(`line ${number} is no JSON object: the file was cut or changed; export it again`);
    }
    this.#takeValue(value, number);
  }

  /** @throws {ExaiError} as {@linkcode readRecording} */
  finish(): Recording {
    if (!this.#hasHeader) throw this.#fault(`it is empty; ${HOW_MADE}`);
    const count = [...this.#sessions.values()].reduce((sum, calls) => sum + calls, 0);
    if (!this.#end) throw this.#fault(`it is cut: it ends after ${count} calls; export it again`);
    if (numberOf(this.#end.calls) !== count) {
      throw this.#fault(
        `it has ${count} calls, and says that there are ${String(this.#end.calls)}; export it again`,
      );
    }
    const session = this.#chosen();
    return {
      session,
      shown: this.#shown.filter((shown) => shown.session === session),
      calls: this.#calls.filter((call) => call.session === session),
    };
  }

  #takeHeader(header: JsonObject | undefined): void {
    const format = numberOf(header?.exai_calls);
    if (header?.type !== "header" || format === undefined) {
      throw this.#fault(`it is no record of calls: its first line is no header; ${HOW_MADE}`);
    }
    if (format > EXPORT_FORMAT) {
      const by = textOf(header.exai) ?? "a later version";
      throw this.#fault(`EXAI ${by} has made it, in a format that this version cannot read; update this one`);
    }
    this.#hasHeader = true;
  }

  #takeValue(value: JsonObject, number: number): void {
    if (value.type === "end") {
      this.#end = value;
      return;
    }
    const session = textOf(value.session);
    const method = textOf(value.method);
    if (session === undefined || method === undefined || !["shown", "call"].includes(String(value.type))) {
      throw this.#fault(`line ${number} is neither a call nor what a session was shown; export it again`);
    }
    this.#sessions.set(session, (this.#sessions.get(session) ?? 0) + (value.type === "call" ? 1 : 0));
    // Of a file with hundreds of sessions only the one that is played is kept.
    if (this.#wanted !== undefined && !session.startsWith(this.#wanted)) return;
    if (value.type === "call") this.#calls.push(callOf(value, { session, method }));
    else {this.#shown.push({
        session,
        method,
        request: plainOf(objectOf(value.request)),
        result: objectOf(value.result),
      });}
  }

  #chosen(): string {
    const known = [...this.#sessions];
    const wanted = this.#wanted;
    if (known.length === 0) {
      throw this.#fault('it has no session; record one with "callsBodies": true in exai.json');
    }
    const exact = known.find(([id]) => id === wanted);
    const found = exact ? [exact] : known.filter(([id]) => wanted === undefined || id.startsWith(wanted));
    if (found.length === 1) return found[0]![0];
    const ids = (found.length > 0 ? found : known).slice(0, 10).map(([id, calls]) =>
      `${id} (${calls} calls)`
    );
    if (found.length === 0) {
      const why = `${this.#path} has no session ${quoteName(wanted!)}; it has ${ids.join(", ")}`;
      throw new ExaiError("RESOURCE_NOT_FOUND", why);
    }
    const which = wanted === undefined ? "" : ` whose ids begin with ${quoteName(wanted)}`;
    const why = `${this.#path} has ${found.length} sessions${which}; choose one by --session: ${
      ids.join(", ")
    }`;
    throw new ExaiError("INVALID_PARAMS", why);
  }

  #fault(why: string): ExaiError {
    return new ExaiError("CONFIG", `${this.#path} cannot be replayed: ${why}`);
  }
}

function callOf(value: JsonObject, { session, method }: { session: string; method: string }): RecordedCall {
  return {
    session,
    method,
    id: textOf(value.id) ?? "",
    tool: textOf(value.tool),
    request: value.request === undefined ? undefined : plainOf(value.request),
    requestCut: textOf(value.request_cut),
    answer: isObject(value.answer) ? value.answer : undefined,
    isAnswerCut: value.answer_cut !== undefined,
    outcome: textOf(value.outcome) ?? "error",
    message: textOf(value.message),
    durationMs: numberOf(value.duration_ms) ?? 0,
    events: Array.isArray(value.events) ? value.events.flatMap(eventOf) : [],
  };
}

function eventOf(value: Json): RecordedEvent[] {
  if (!isObject(value)) return [];
  const { kind, method, params } = value;
  if (!isEventKind(kind) || typeof method !== "string" || !isObject(params)) return [];
  return [{ kind, method, params, afterMs: numberOf(value.after_ms) ?? 0 }];
}

function objectIn(line: string): JsonObject | undefined {
  try {
    const value: unknown = exactJson(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}
