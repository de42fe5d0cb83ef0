import { isObject, type Json, type JsonObject, parseJson, textOf } from "../../base/json.ts";

/** Characters of an answer that are kept. */
const MAX_TEXT_CHARS = 60_000;
/** Characters of what is no event that are kept, to explain a failure. */
const MAX_NOISE_CHARS = 4000;
/** Permissions named in one answer. */
const MAX_DENIED = 20;

/** What an agent prints, read line by line. One object reads one run. */
export abstract class AgentOutput {
  /** Whether a session has begun, so that a model may have been asked. */
  hasBegun = false;
  session: string | undefined;
  model: string | undefined;
  usage: JsonObject | undefined;
  costUsd: number | undefined;
  /** Why the agent says that it failed. */
  error: string | undefined;
  readonly denied: string[] = [];
  #text = "";
  #noise = "";

  /** The answer so far, bounded. */
  get text(): string {
    return this.#text;
  }

  /** The latest lines that are no events. */
  get noise(): string {
    return this.#noise.trim();
  }

  /**
   * Takes one line of stdout.
   *
   * @returns what the agent does, if the line says it
   */
  take(line: string): string | undefined {
    const event = parseEvent(line);
    if (event !== undefined) return this.takeEvent(event);
    this.#noise = `${this.#noise}${line}\n`.slice(-MAX_NOISE_CHARS);
    return undefined;
  }

  /** Called once when the agent has ended. */
  finish(): void {}

  /** Takes one event, as {@linkcode take}. */
  protected abstract takeEvent(event: JsonObject): string | undefined;

  protected setText(text: string): void {
    this.#text = bounded(text);
  }

  protected deny(what: string): void {
    if (this.denied.length < MAX_DENIED && !this.denied.includes(what)) this.denied.push(what);
  }
}

/** Keeps the beginning of `text`, and more of its end, where the conclusions are. */
export function bounded(text: string, maxChars = MAX_TEXT_CHARS): string {
  if (text.length <= maxChars) return text;
  const head = Math.floor(maxChars / 4);
  const tail = maxChars - head;
  const note = `\n\n[${text.length - maxChars} characters are left out here]\n\n`;
  return (text.slice(0, head) + note + text.slice(-tail)).toWellFormed();
}

function parseEvent(line: string): JsonObject | undefined {
  if (!line.trimStart().startsWith("{")) return undefined;
  const value = parseJson(line);
  return isObject(value) ? value : undefined;
}

/** The objects of a list; none if it is no list. */
export function objectsIn(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** `value` as an object; empty if it is none. */
export function objectIn(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** What an agent does with a tool, as `Read src/a.ts`. */
export function describeUse(tool: Json | undefined, input: Json | undefined): string {
  const { file_path, path, command, pattern, query, url, description } = objectIn(input);
  const subject = [file_path, path, command, pattern, query, url, description].find((one) => textOf(one));
  return [textOf(tool) ?? "a tool", textOf(subject)].filter((part) => part !== undefined).join(" ");
}
