import { isObject, type Json, type JsonObject, parseJson } from "../../base/json.ts";
import type { ToolCall } from "../provider.ts";

/** A call that is being received. */
interface CallParts {
  id: string;
  index: number | undefined;
  type: string;
  name: string;
  /** Its arguments as they came. */
  parts: string[];
}

/**
 * Assembles tool calls from the deltas of a stream. OpenAI numbers them by `index`; other servers leave it out, give the
 * same to every call, repeat the name or the id in each delta, or send arguments as an object or twice. A call is told
 * from the next by what differs: its id, its number, or arguments that are complete already.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ToolCallParts } from "./tool_call_parts.ts";
 *
 * const calls = new ToolCallParts();
 * for (const id of ["a", "b"]) calls.add([{ index: 0, id, function: { name: "look", arguments: "{}" } }]);
 * assertEquals(calls.all.map(({ id }) => id), ["a", "b"]);
 * ```
 */
export class ToolCallParts {
  readonly #calls: CallParts[] = [];

  get count(): number {
    return this.#calls.length;
  }

  /** The calls in order. One without an id gets one, by which its result can be told. */
  get all(): (ToolCall & { type: string })[] {
    const ids = new Set<string>();
    const byIndex = this.#calls.map((call, i) => ({ call, order: call.index ?? i }))
      .sort((a, b) => a.order - b.order);
    return byIndex.map(({ call }, i) => {
      const id = call.id === "" || ids.has(call.id) ? `${call.id || "call"}_${i + 1}` : call.id;
      ids.add(id);
      return { id, type: call.type, name: call.name, arguments: joined(call.parts) };
    });
  }

  /** Adds the parts of one delta. */
  add(parts: readonly Json[]): void {
    const touched = new Set<CallParts>();
    parts.forEach((part, position) => {
      if (!isObject(part)) return;
      const body = isObject(part.function) ? part.function : isObject(part.custom) ? part.custom : part;
      const delta = {
        id: textOr(part.id),
        index: typeof part.index === "number" ? part.index : undefined,
        name: textOr(body.name),
        args: argumentsOf(body),
      };
      const isLone = parts.length === 1;
      const call = this.#find(delta, { touched, position: isLone ? undefined : position }) ??
        this.#open(delta);
      touched.add(call);
      if (call.id === "") call.id = delta.id;
      if (typeof part.type === "string") call.type = part.type;
      // A name comes whole, in parts, or again with each delta.
      if (delta.name !== call.name) call.name += delta.name;
      if (delta.args !== "") call.parts.push(delta.args);
    });
  }

  #open({ id, index }: CallDelta): CallParts {
    const call = { id, index, type: "function", name: "", parts: [] };
    this.#calls.push(call);
    return call;
  }

  /** The call that a delta continues; undefined if it begins one. */
  #find(delta: CallDelta, where: { touched: Set<CallParts>; position?: number }): CallParts | undefined {
    const { id, index, name } = delta;
    const named = id === "" ? undefined : this.#calls.findLast((call) => call.id === id);
    const numbered = index === undefined ? undefined : this.#calls.findLast((call) => call.index === index);
    // Several calls under one id are told apart by their numbers.
    if (named !== undefined && (index === undefined || named.index === index)) {
      return name !== "" && name !== named.name && isComplete(named) ? undefined : named;
    }
    if (index !== undefined || (id !== "" && name !== "")) {
      return numbered === undefined || beginsNext(numbered, delta, where.touched) ? undefined : numbered;
    }
    const last = where.position === undefined
      ? this.#calls.at(-1)
      : this.#calls[where.position] ?? this.#calls.at(-1);
    return last === undefined || beginsNext(last, delta, where.touched) ? undefined : last;
  }
}

/** What one delta says of a call. */
interface CallDelta {
  id: string;
  index: number | undefined;
  name: string;
  args: string;
}

/** Whether `delta` begins another call although its place is that of `call`. */
function beginsNext(call: CallParts, { id, index, name, args }: CallDelta, touched: Set<CallParts>): boolean {
  if (id !== "" && call.id !== "" && id !== call.id) return name !== "" || isComplete(call);
  if (name === "" || call.name === "") return false;
  // Only OpenAI's own numbering, with the id in the first delta alone, could have a name in parts.
  if (name !== call.name) {
    return call.id === "" || index === undefined || touched.has(call) || isComplete(call);
  }
  return touched.has(call) || (args !== "" && isComplete(call) && joined(call.parts) !== args);
}

function isComplete({ parts }: CallParts): boolean {
  // The arguments are an object; to parse them with each part would take too long.
  return parts.length > 0 && parts.at(-1)!.trimEnd().endsWith("}") && isJson(joined(parts));
}

/**
 * The arguments as one text. A server may send them whole after their parts, or all so far each time, or none at first, or
 * as JSON within JSON.
 */
function joined(parts: readonly string[]): string {
  const text = unwrapped(parts.join(""));
  if (parts.length < 2 || isJson(text)) return text === "" ? "{}" : text;
  const last = parts.at(-1)!;
  if (parts[0] === NO_ARGUMENTS) return joined(parts.slice(1));
  return last.startsWith(parts.at(-2)!) || last === parts.slice(0, -1).join("") ? last : text;
}

const NO_ARGUMENTS = "{}";

function unwrapped(text: string): string {
  if (!text.startsWith('"')) return text;
  const inner = parseJson(text);
  return typeof inner === "string" && inner.trimStart().startsWith("{") && isJson(inner) ? inner : text;
}

function argumentsOf(body: JsonObject): string {
  const args = body.arguments ?? body.input;
  return typeof args === "string" ? args : isObject(args) ? JSON.stringify(args) : "";
}

function isJson(text: string): boolean {
  return parseJson(text) !== undefined;
}

function textOr(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
