import { exactJson, type Json, type JsonObject } from "../base/json.ts";
import { clip } from "../base/text.ts";
import { onOneLine } from "./json_string.ts";
import { type Member, type Members, type ScanLimits, scanObject } from "./json_scan.ts";
import { findMember, hasDuplicates, RawObject } from "./raw_object.ts";
import { type Edit, splice } from "./text_edits.ts";
import { isLikeOfMessage, isLikeOfParams } from "./similar_names.ts";
import {
  readRequestId,
  type RequestId,
  type Result,
  type RpcError,
  type RpcNotification,
  type RpcRequest,
} from "./rpc.ts";

/** A message with the text it came in. Each kind can stand wherever the parsed one does. */
export type RawMessage = RawRequest | RawNotification | RawResponse;

/** A response with the text it came in; it is a `Result` as well. */
type RawResponse = RawSuccess | RawFailure;

/** What the members of a message are looked into for: the names in `params`, the signs in `result`. */
export const isLookedInto = (name: string) => name === "params" || name === "result";

/**
 * Reads one JSON-RPC message without parsing what it carries.
 *
 * @returns undefined for anything out of the ordinary, which `raw_reader.ts` reads: no JSON, an array, an invalid
 * envelope, an EXAI op, `params` that are null, a name that stands twice where this side reads it, in whatever case.
 * Line breaks, which stand between its tokens only, become spaces: a message is sent on one line
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readRawMessage } from "./raw_message.ts";
 *
 * const text = '{"result":{"n":1.0},"jsonrpc":"2.0","id":7}';
 * const response = readRawMessage(text, { depth: 512, members: 1000 });
 * if (response?.kind !== "response") throw new Error("no response");
 * assertEquals(response.toText({ idText: '"a"' }), '{"result":{"n":1.0},"jsonrpc":"2.0","id":"a"}');
 * ```
 */
export function readRawMessage(text: string, limits: ScanLimits): RawMessage | undefined {
  const members = scanObject(text, limits, isLookedInto);
  return members && new RawParts(text, members).toMessage();
}

/** The members of an object that may be a message. */
export class RawParts {
  readonly text: string;
  readonly members: Members;

  constructor(text: string, members: Members) {
    this.text = onOneLine(text);
    this.members = members;
  }

  find(name: string): Member | undefined {
    return findMember(this.members, name);
  }

  textOf(name: string): string | undefined {
    const member = this.find(name);
    return member && this.text.slice(member.from, member.to);
  }

  /** The message that these are the members of, where nothing about it is out of the ordinary. */
  toMessage(): RawMessage | undefined {
    if (!this.#isVersion2() || hasDuplicates(this.members)) return undefined;
    if (this.members.some(({ name }) => isLikeOfMessage(name))) return undefined;
    if (this.find("method") === undefined) return this.#toResponse();
    // Some servers repeat the method in a response.
    return this.find("result") || this.find("error") ? undefined : this.toRequest();
  }

  #isVersion2(): boolean {
    const text = this.textOf("jsonrpc");
    return text === '"2.0"' || (text?.startsWith('"') === true && JSON.parse(text) === "2.0");
  }

  /** The request or notification, whatever else it has. */
  toRequest(): RawRequest | RawNotification | undefined {
    const method: unknown = JSON.parse(this.textOf("method") ?? "null");
    const params = this.find("params");
    if (typeof method !== "string" || (params && !(isPlain(params) && hasPlainNames(params)))) {
      return undefined;
    }
    if (this.find("id") === undefined) return new RawNotification(this, method);
    const id = this.readId();
    return id === undefined ? undefined : new RawRequest(this, { id, method });
  }

  #toResponse(): RawResponse | undefined {
    const id = this.readId();
    const result = this.find("result");
    const error = this.find("error");
    if ((result === undefined) === (error === undefined)) return undefined;
    if (result) return id !== undefined && isPlain(result) ? new RawSuccess(this, id, result) : undefined;
    const isOfNone = this.textOf("id") === "null";
    const value: Partial<RpcError> | null = JSON.parse(this.textOf("error")!);
    const isError = typeof value?.code === "number" && typeof value.message === "string";
    if (!isError || (id === undefined && !isOfNone)) return undefined;
    return new RawFailure(this, id ?? null, value as RpcError);
  }

  readId(): RequestId | undefined {
    const text = this.textOf("id");
    return text === undefined ? undefined : readRequestId(text);
  }
}

/** Whether the value is an object in which no name stands twice. */
function isPlain({ members }: Member): boolean {
  return members !== undefined && !hasDuplicates(members);
}

/** Whether none of the params is like another that is read here. */
function hasPlainNames({ members = [] }: Member): boolean {
  return !members.some(({ name }) => isLikeOfParams(name));
}

abstract class Raw {
  readonly jsonrpc = "2.0";
  /** Its `params` or `result`. */
  readonly body: RawObject | undefined;
  readonly #source: string;
  readonly #idAt: Member | undefined;
  readonly #bodyAt: Member | undefined;
  readonly #isChanged: boolean;

  /**
   * @param method of a request or a notification
   * @param changed a body in place of the one that came
   */
  constructor(
    parts: RawParts,
    body: Member | undefined,
    { method, changed }: { method?: string; changed?: RawObject } = {},
  ) {
    const idAt = parts.find("id");
    const message = method === undefined ? undefined : { method, id: idAt };
    this.#source = parts.text;
    this.body = changed ?? (body && new RawObject(parts.text, { ...body, message }));
    this.#idAt = idAt;
    this.#bodyAt = body;
    this.#isChanged = changed !== undefined;
  }

  /** The whole message as it came, but for a changed body. */
  get text(): string {
    return this.#isChanged ? this.toText({}) : this.#source;
  }

  /** The id as it came: `1.0`, `"a\u0062"`; empty for a notification. */
  get idText(): string {
    return this.#idAt === undefined ? "" : clip(this.#source.slice(this.#idAt.from, this.#idAt.to), Infinity);
  }

  /** The text with the id `idText`, and with `body` in place of its own. */
  toText({ idText, body = this.body }: { idText?: string; body?: RawObject }): string {
    const edits: Edit[] = [];
    if (idText !== undefined && this.#idAt) edits.push({ ...this.#idAt, text: idText });
    const isOther = this.#isChanged || body !== this.body;
    if (isOther && body && this.#bodyAt) edits.push({ ...this.#bodyAt, text: body.text });
    return splice(this.#source, edits.sort((a, b) => a.from - b.from));
  }
}

/** A request that is passed on. Its `params` are parsed when they are first asked for. */
export class RawRequest extends Raw implements RpcRequest {
  readonly kind = "request";
  readonly id: RequestId;
  readonly method: string;

  constructor(parts: RawParts, { id, method }: { id: RequestId; method: string }) {
    super(parts, parts.find("params"), { method });
    this.id = id;
    this.method = method;
  }

  get params(): JsonObject | undefined {
    return this.body?.value;
  }
}

/** A notification that is passed on. Its `params` are parsed when they are first asked for. */
export class RawNotification extends Raw implements RpcNotification {
  readonly kind = "notification";
  readonly method: string;

  constructor(parts: RawParts, method: string) {
    super(parts, parts.find("params"), { method });
    this.method = method;
  }

  get params(): JsonObject | undefined {
    return this.body?.value;
  }
}

/** A response with a result, which is parsed when it is first asked for. */
class RawSuccess extends Raw {
  readonly kind = "response";
  readonly id: RequestId;
  readonly error = undefined;
  readonly #parts: RawParts;
  readonly #resultAt: Member;

  /** @param changed a result in place of the one that came */
  constructor(parts: RawParts, id: RequestId, result: Member, changed?: RawObject) {
    super(parts, result, { changed });
    this.id = id;
    this.#parts = parts;
    this.#resultAt = result;
  }

  get result(): JsonObject {
    return this.body!.value;
  }

  /** The response with `body` for its result. */
  withResult(body: RawObject): RawSuccess {
    return body === this.body ? this : new RawSuccess(this.#parts, this.id, this.#resultAt, body);
  }
}

/** A response with an error. */
class RawFailure extends Raw {
  readonly kind = "response";
  /** Null when the request's id could not be read. */
  readonly id: RequestId | null;
  readonly error: RpcError;
  readonly result = undefined;
  readonly #errorAt: Member;

  constructor(parts: RawParts, id: RequestId | null, error: RpcError) {
    super(parts, undefined);
    this.id = id;
    this.error = error;
    this.#errorAt = parts.find("error")!;
  }

  /** The error, with its numbers as they came. */
  get exact(): RpcError {
    const { from, to } = this.#errorAt;
    return exactJson(this.text.slice(from, to)) as unknown as RpcError;
  }
}

/** `message` with the text it came in; undefined for a parsed one. */
export function rawMessage(message: unknown): RawMessage | undefined {
  return message instanceof Raw ? message as RawMessage : undefined;
}

/** `result` as the response it came as; undefined for one that is made here. */
export function rawResult(result: object): RawResponse | undefined {
  return result instanceof RawSuccess || result instanceof RawFailure ? result : undefined;
}

/** A result that is taken apart and written again, with its numbers as they came: see `exactJson`. */
export function exactResult(success: { result: JsonObject }): JsonObject {
  return rawResult(success)?.body?.exact ?? success.result;
}

/** An error whose data is taken apart and written again: its numbers as they came. */
export function exactError(failure: { error: RpcError }): RpcError {
  const { error } = failure;
  return failure instanceof RawFailure ? { ...failure.exact, code: error.code } : error;
}

/** Whether a server of the modern era needs answers before it can complete the request (MCP basic/patterns/mrtr). */
export function isInputRequired(answer: Result): boolean {
  return !answer.error && resultMember(answer, "resultType") === "input_required";
}

/** One member of a result, without parsing the others; undefined for an error. */
export function resultMember(answer: Result, name: string): Json | undefined {
  const raw = rawResult(answer);
  return raw ? raw.body?.get(name) : answer.result?.[name];
}
