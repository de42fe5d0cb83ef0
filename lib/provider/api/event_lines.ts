/** What marks the end of a stream of chat completions, in quotes or in other letters too. */
const END_MARK = /^["']?\[done\]["']?$/i;

/** Data that says nothing: a keep-alive of some gateways. */
const NOTHING: readonly string[] = ["", "null", '""', "{}"];

/** Events whose name may stand in for the type that the reader goes by. */
const TYPED = /^(?:error$|response\.)/;

/**
 * Reads a stream of events line by line and writes it as the packages of the providers understand it: data alone, with a
 * blank line after each. Gemini's takes no other field, and no event without the blank line; none of them takes two events
 * without one in between.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventLines } from "./event_lines.ts";
 *
 * const lines = new EventLines();
 * const text = lines.add('data: {"a":1}\ndata: {"a":2}\n') + lines.add("data:[DONE]") + lines.end();
 * assertEquals(text, 'data: {"a":1}\n\ndata: {"a":2}\n\n');
 * assertEquals(lines.hasEnded, true);
 * ```
 */
export class EventLines {
  #hasEnded = false;
  /** The unfinished last line, as it came. */
  #line: string[] = [];
  /** Whether a carriage return was the last character, so that a newline after it ends no further line. */
  #isAfterReturn = false;
  /** The name of the event that is being received, and its data. */
  #name = "";
  #data: string[] = [];

  /** Whether the end of the events was marked. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Adds a part of the stream, and returns the events that are complete by it. */
  add(part: string): string {
    const text = this.#isAfterReturn && part.startsWith("\n") ? part.slice(1) : part;
    if (part !== "") this.#isAfterReturn = part.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    if (lines.length === 1) {
      this.#line.push(text);
      return "";
    }
    lines[0] = [...this.#line, lines[0]].join("");
    this.#line = [lines.pop()!];
    return lines.map((line) => this.#addLine(line)).join("");
  }

  /** Returns the last event, behind which there is no blank line. */
  end(): string {
    return this.#addLine(this.#line.splice(0).join("")) + this.#flush();
  }

  #addLine(line: string): string {
    if (line === "") return this.#flush();
    const [, name, value = ""] = /^(data|event)(?::\s?(.*))?$/s.exec(line) ?? [];
    // A comment keeps the connection open, which it has done by now.
    if (name === undefined) return "";
    if (name === "event") {
      this.#name = value.trim();
      return "";
    }
    const data = value.trim();
    const isNext = isObject(data) || isEnd(data);
    const ended = isNext && this.#data[0]?.startsWith("{") && this.#data.at(-1)!.endsWith("}")
      ? this.#flush()
      : "";
    if (data !== "") this.#data.push(data);
    return ended;
  }

  /** The event that is being received, unless there is nothing in it. */
  #flush(): string {
    const data = this.#data.splice(0).join(" ");
    const name = this.#name;
    this.#name = "";
    if (isEnd(data)) this.#hasEnded = true;
    if (isEnd(data) || NOTHING.includes(data)) return "";
    return `data: ${TYPED.test(name) ? withType(data, name) : data}\n\n`;
  }
}

function withType(data: string, type: string): string {
  return isObject(data) && !data.includes('"type"')
    ? `{"type":${JSON.stringify(type)},${data.slice(1)}`
    : data;
}

function isEnd(data: string): boolean {
  return END_MARK.test(data);
}

function isObject(data: string): boolean {
  return data.startsWith("{") && data.endsWith("}");
}
