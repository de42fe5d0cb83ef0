import { exactJson, type Json, type JsonObject } from "../base/json.ts";
import { type Member, type Members, scanObject, UNLIMITED } from "./json_scan.ts";
import { type Edit, splice, spliceParts } from "./text_edits.ts";

/** What is changed in an object: the text of each member that is replaced or added; undefined for one left out. */
type Changes = ReadonlyMap<string, string | undefined>;

const NOTHING: Changes = new Map();

/** The request or notification around its params. */
interface MessagePlace {
  method: string;
  /** Undefined for a notification. */
  id: Pick<Member, "from" | "to"> | undefined;
}

interface ObjectPlace extends Pick<Member, "from" | "to" | "members"> {
  /** For params: the message they came in, which is the whole source. */
  message?: MessagePlace;
}

/**
 * A JSON object as the text it came in: the `params` of a request, the `result` of a response. What is only passed on
 * is never parsed, and so reaches the other side byte for byte, numbers included.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readRawMessage } from "./raw_message.ts";
 *
 * const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0}}}';
 * const request = readRawMessage(text, { depth: 512, members: 1000 });
 * if (request?.kind !== "request") throw new Error("no request");
 * assertEquals(request.body!.get("name"), "a");
 * assertEquals(request.body!.with("name", "b").text, '{"name":"b","arguments":{"n":1.0}}');
 * ```
 */
export class RawObject {
  readonly #source: string;
  readonly #from: number;
  readonly #to: number;
  readonly #members: Members;
  readonly #message: MessagePlace | undefined;
  readonly #changes: Changes;
  /** Members that were read: the name of a tool is asked for at each step of a call. */
  #strings: Map<string, string> | undefined;
  /** Likewise: `_meta` is looked into at each step. */
  #objects: Map<string, RawObject> | undefined;
  #value: JsonObject | undefined;
  #text: string | undefined;

  /** @param place where the object is in `source`, with its members, no two of one name */
  constructor(source: string, place: ObjectPlace, changes = NOTHING) {
    this.#source = source;
    this.#from = place.from;
    this.#to = place.to;
    this.#members = place.members!;
    this.#message = place.message;
    this.#changes = changes;
  }

  /** The text, with what was replaced. */
  get text(): string {
    return this.#text ??= this.#build();
  }

  /** The whole object, parsed once. Numbers that a double cannot hold are rounded. */
  get value(): JsonObject {
    return this.#value ??= JSON.parse(this.text);
  }

  /** As {@linkcode value}, with numbers that are written as they came: for what is taken apart and written again. */
  get exact(): JsonObject {
    return exactJson(this.text) as JsonObject;
  }

  /** For what is written anew. What is passed on uses the text. */
  toJSON(): JsonObject {
    return this.exact;
  }

  /** The text in parts that lie where they came, so that a large one is not copied. */
  get parts(): readonly string[] {
    return spliceParts(this.#source.slice(this.#from, this.#to), this.#edits(this.#from));
  }

  /** Characters of the text. */
  get length(): number {
    const grown = this.#edits(0).reduce((sum, { from, to, text }) => sum + text.length - (to - from), 0);
    return this.#to - this.#from + grown;
  }

  /** The names of its members, in their order. */
  get names(): readonly string[] {
    const own = this.#members.map(({ name }) => name);
    return this.#changes.size === 0
      ? own
      : [...this.#added.map(([name]) => name), ...own.filter((name) => this.has(name))];
  }

  has(name: string): boolean {
    return this.#changes.has(name) ? this.#changes.get(name) !== undefined : this.#find(name) !== undefined;
  }

  /** The value of one member, parsed each time unless it is a string; undefined if there is none. */
  get(name: string): Json | undefined {
    const known = this.#strings?.get(name);
    if (known !== undefined) return known;
    const text = this.textOf(name);
    if (text === undefined) return undefined;
    const value: Json = JSON.parse(text);
    if (typeof value === "string") (this.#strings ??= new Map()).set(name, value);
    return value;
  }

  /** The value of one member as its text. */
  textOf(name: string): string | undefined {
    if (this.#changes.has(name)) return this.#changes.get(name);
    const found = this.#find(name);
    return found && this.#source.slice(found.from, found.to);
  }

  /** The value of one member that is an object, without parsing it; undefined if there is none. */
  objectAt(name: string): RawObject | undefined {
    const known = this.#objects?.get(name);
    if (known !== undefined) return known;
    const text = this.textOf(name);
    const object = text === undefined ? undefined : rawObject(text);
    if (object) (this.#objects ??= new Map()).set(name, object);
    return object;
  }

  /** The object with `value` for its member `name`, which is added where it has none. */
  with(name: string, value: Json): RawObject {
    return this.withText(name, JSON.stringify(value));
  }

  /** As {@linkcode with}, given the value's text. */
  withText(name: string, text: string): RawObject {
    return this.#changed([[name, text]]);
  }

  /** The object with each of `members`, as {@linkcode with}. */
  withAll(members: JsonObject): RawObject {
    const texts = Object.entries(members).map(([name, value]) => [name, JSON.stringify(value)] as const);
    return texts.length === 0 ? this : this.#changed(texts);
  }

  /** The object without its members of `names`. */
  without(...names: readonly string[]): RawObject {
    const found = names.filter((name) => this.has(name));
    return found.length === 0 ? this : this.#changed(found.map((name) => [name, undefined]));
  }

  // What is between the members stays where it is, and is neither copied nor read again.
  #changed(changes: Iterable<readonly [string, string | undefined]>): RawObject {
    const place = { from: this.#from, to: this.#to, members: this.#members, message: this.#message };
    return new RawObject(this.#source, place, new Map([...this.#changes, ...changes]));
  }

  /**
   * The whole message these params came in, with the id `idText`, and everything else in it as it came; in parts.
   *
   * @returns undefined where they came in no request (or, without `idText`, no notification) of `method`
   */
  messageParts(method: string, idText: string | undefined): readonly string[] | undefined {
    const message = this.#message;
    if (message?.method !== method || (message.id === undefined) !== (idText === undefined)) return undefined;
    const edits = this.#edits(0);
    if (message.id && idText !== undefined) edits.push({ ...message.id, text: idText });
    return spliceParts(this.#source, edits.sort((a, b) => a.from - b.from));
  }

  #find(name: string): Member | undefined {
    return findMember(this.#members, name);
  }

  #build(): string {
    return splice(this.#source.slice(this.#from, this.#to), this.#edits(this.#from));
  }

  get #added(): (readonly [string, string])[] {
    const added: [string, string][] = [];
    for (const [name, text] of this.#changes) {
      if (text !== undefined && !this.#find(name)) added.push([name, text]);
    }
    return added;
  }

  /** The changes as edits of the source, from its offset `base` on. */
  #edits(base: number): Edit[] {
    if (this.#changes.size === 0) return [];
    const edits: Edit[] = [];
    const added = this.#added.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",");
    const at = this.#from + 1 - base;
    if (added !== "") {
      const isFollowed = this.#members.some(({ name }) => this.has(name));
      edits.push({ from: at, to: at, text: isFollowed ? `${added},` : added });
    }
    // Where the member before ends, once one is kept: the comma goes with the member after it, and else with its own.
    let previousTo: number | undefined;
    let open: Edit | undefined;
    for (const { name, nameFrom, from, to } of this.#members) {
      if (open) open.to = nameFrom - base;
      open = undefined;
      const text = this.#changes.get(name);
      if (!this.has(name)) {
        const edit = { from: (previousTo ?? nameFrom) - base, to: to - base, text: "" };
        edits.push(edit);
        if (previousTo === undefined) open = edit;
      } else if (text !== undefined) edits.push({ from: from - base, to: to - base, text });
      if (previousTo !== undefined || this.has(name)) previousTo = to;
    }
    return edits;
  }
}

/** The params of a message: as the text they came in where they are only passed on, as a value where they are made here. */
export type Params = JsonObject | RawObject;

/** `params` as a value; a text is parsed once. */
export function valueOf(params: Params): JsonObject {
  return params instanceof RawObject ? params.value : params;
}

/** One of `params`, without parsing the others. */
export function memberOf(params: Params, name: string): Json | undefined {
  return params instanceof RawObject ? params.get(name) : params[name];
}

/** Whether there is one of `params` of that name. */
export function hasMember(params: Params, name: string): boolean {
  return params instanceof RawObject ? params.has(name) : params[name] !== undefined;
}

/** `params` with `value` for their member `name`, which they have. */
export function withMember(params: Params, name: string, value: Json): Params {
  return params instanceof RawObject ? params.with(name, value) : { ...params, [name]: value };
}

/** `params` with each of `members`, added where there is none of its name. */
export function withMembers(params: Params, members: JsonObject): Params {
  return params instanceof RawObject ? params.withAll(members) : { ...members, ...params, ...members };
}

/** `params` without their members of `names`. */
export function withoutMembers(params: Params, names: readonly string[]): Params {
  if (params instanceof RawObject) return params.without(...names);
  if (!names.some((name) => params[name] !== undefined)) return params;
  return Object.fromEntries(Object.entries(params).filter(([name]) => !names.includes(name)));
}

/** From this many members on, a set finds two of one name faster than comparing all pairs. */
const MANY_MEMBERS = 8;

/** The member of that name. */
export function findMember(members: Members, name: string): Member | undefined {
  for (const member of members) if (member.name === name) return member;
  return undefined;
}

/** Whether two of `members` have one name. Of such an object readers take different values. */
export function hasDuplicates(members: Members): boolean {
  if (members.length > MANY_MEMBERS) return new Set(members.map(({ name }) => name)).size < members.length;
  for (let i = 1; i < members.length; i++) {
    for (let j = 0; j < i; j++) if (members[i]!.name === members[j]!.name) return true;
  }
  return false;
}

/** The object in `text`, with the last of several members of one name, as `JSON.parse` has it; undefined if it is none. */
export function rawObject(text: string): RawObject | undefined {
  const members = scanObject(text, UNLIMITED, () => false);
  if (members === undefined) return undefined;
  if (hasDuplicates(members)) return rawObject(objectText(text, members));
  return new RawObject(text, { from: 0, to: text.length, members });
}

/**
 * An object of `members` of `text`, the last of several of one name.
 *
 * @param valueText the text of a member's value; undefined for a member that is left out. Its own by default
 */
export function objectText(
  text: string,
  members: Members,
  valueText: (member: Member) => string | undefined = ({ from, to }) => text.slice(from, to),
): string {
  const last = new Map(members.map((member) => [member.name, member]));
  const written: string[] = [];
  for (const member of last.values()) {
    const value = valueText(member);
    if (value !== undefined) written.push(text.slice(member.nameFrom, member.from) + value);
  }
  return `{${written.join(",")}}`;
}
