import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { clip } from "../base/text.ts";
import {
  type Member,
  type ScanFault,
  scanJson,
  type ScanLimits,
  scanObject,
  UNLIMITED,
} from "./json_scan.ts";
import { withoutNaN } from "./lenient.ts";
import { isLookedInto, type RawMessage, RawParts, readRawMessage } from "./raw_message.ts";
import { objectText, RawObject, rawObject } from "./raw_object.ts";
import {
  checkEnvelope,
  errorResponseId,
  isRequestId,
  jsonId,
  messageText,
  type RequestId,
  responseTo,
  type RpcResponse,
} from "./rpc.ts";
import { malformedAnswer, readServerMessage } from "./server_message.ts";
import { isLikeOfMessage, isLikeOfParams } from "./similar_names.ts";
import { MAX_DEPTH, MAX_MEMBERS, MIN_CHECKED_CHARS, SERVER_LIMITS } from "./shape.ts";

/** What a JSON text of a peer holds. */
export type RawReading =
  | MessageReading
  | InvalidReading
  /** An array. Its elements are read one by one. */
  | { kind: "batch"; texts: readonly string[] }
  /** Neither an object nor an array. */
  | { kind: "value"; value: Json }
  | { kind: "unreadable"; fault: ScanFault };

/** A message; its text is another than the one that was read where the peer left the norm. */
interface MessageReading {
  kind: "message";
  message: RawMessage;
}

/** An object that is no JSON-RPC message; an EXAI op is one. */
export interface InvalidReading {
  kind: "invalid";
  /** What is wrong with it as a message. */
  why: string;
  object: RawObject;
  /** Whether it would be a response, which is never answered. */
  isResponse: boolean;
  /** The id for the error response, and the text it came as. */
  id: RequestId | null;
  idText: string;
}

const CLIENT_LIMITS: ScanLimits = { depth: MAX_DEPTH, members: MAX_MEMBERS };

/** Optional parameters of requests for which some clients send null. */
const NULLABLE: readonly string[] = ["cursor", "arguments", "_meta"];

/**
 * Reads what a client has sent. Members that stand several times where this side reads them are reduced to the last,
 * which `JSON.parse` takes; those that a server may take for others, as `ID` for `id` or the result of a request, and
 * optional parameters that are null are left out. Everything else stays as it came.
 *
 * @param limits those of the daemon by default
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readClientText } from "./raw_reader.ts";
 *
 * const text = '{"jsonrpc":"2.0","id":1.0,"method":"tools/list","params":{"cursor":null,"n":1e2}}';
 * const reading = readClientText(text);
 * if (reading.kind !== "message") throw new Error("no message");
 * assertEquals(reading.message.text, '{"jsonrpc":"2.0","id":1.0,"method":"tools/list","params":{"n":1e2}}');
 * ```
 */
export function readClientText(text: string, limits?: ScanLimits): RawReading {
  const allowed = limits ?? (text.length < MIN_CHECKED_CHARS ? UNLIMITED : CLIENT_LIMITS);
  return readText(text, allowed, (parts) => {
    const message = parts.toMessage();
    if (message && !hasNulls(parts, NULLABLE)) return { kind: "message", message };
    return readIrregular(tidied(parts, { nullable: NULLABLE, isOfClient: true }));
  });
}

interface ServerTextOptions {
  /** The name of the server. */
  server: string;
  /** The request that the text answers: an answer without an id is to it. */
  answers?: RequestId;
}

/**
 * Reads what a server has sent. As with a client, and malformed answers are repaired where their meaning is clear, or
 * become error responses: see `server_message.ts`. NaN and Infinity are read as null.
 */
export function readServerText(
  text: string,
  options: ServerTextOptions,
): RawReading & { isRepaired?: boolean } {
  const read = (parts: RawParts): RawReading => {
    const message = identified(parts.toMessage(), options.answers);
    return message ? { kind: "message", message } : readIrregular(tidied(parts), options);
  };
  const reading = readText(text, SERVER_LIMITS, read);
  if (reading.kind === "unreadable" && reading.fault === "members") return crowded(text, options) ?? reading;
  if (reading.kind !== "unreadable" || reading.fault !== "syntax") return reading;
  const repaired = withoutNaN(text);
  return repaired === undefined ? reading : { ...readText(repaired, SERVER_LIMITS, read), isRepaired: true };
}

function readText(text: string, limits: ScanLimits, readObject: (parts: RawParts) => RawReading): RawReading {
  const scanned = scanJson(text, limits, isLookedInto);
  if (typeof scanned === "string") return { kind: "unreadable", fault: scanned };
  if (scanned.kind === "object") return readObject(new RawParts(text, scanned.members));
  if (scanned.kind === "scalar") return { kind: "value", value: JSON.parse(text) };
  return {
    kind: "batch",
    texts: scanned.elements.map(({ from, to }) => clip(text.slice(from, to), Infinity)),
  };
}

/** The error response to the request that an answer with too many members is to. */
function crowded(text: string, { server, answers }: ServerTextOptions): MessageReading | undefined {
  const { id, method } = JSON.parse(text);
  const about = isRequestId(id) ? id : answers;
  if (method !== undefined || about === undefined) return undefined;
  const error = malformedAnswer("it has more members (keys) than can be read", server);
  const message = readRawMessage(messageText(responseTo(about, { error })), UNLIMITED);
  return message && { kind: "message", message };
}

/** `message`; an error that names no request is to the request `answers`. */
function identified(message: RawMessage | undefined, answers: RequestId | undefined): RawMessage | undefined {
  if (answers === undefined || message?.kind !== "response" || message.id !== null) return message;
  return readRawMessage(message.toText({ idText: JSON.stringify(jsonId(answers)) }), UNLIMITED);
}

function hasNulls(parts: RawParts, nullable: readonly string[]): boolean {
  const members = parts.find("params")?.members ?? [];
  return members.some((member) => nullable.includes(member.name) && isNull(parts.text, member));
}

function isNull(text: string, { from }: { from: number }): boolean {
  // No other value begins with n.
  return text.charCodeAt(from) === 0x6e;
}

/** What is left out of an object, beside what stands twice. */
interface Untidy {
  /** Params that are left out where they are null. */
  nullable?: readonly string[];
  /** Whether a client has sent it: its requests have no result, which a server could take for an answer. */
  isOfClient?: boolean;
}

/**
 * `parts` without repeated members, those that readers may take for another one, and the params named in `nullable`, or
 * all of them, where they are null.
 */
function tidied({ text, members }: RawParts, { nullable = [], isOfClient = false }: Untidy = {}): RawParts {
  const isRequest = members.some(({ name }) => name === "method");
  const tidy = objectText(text, members, (member) => {
    const { name } = member;
    const isAnswerOfClient = isRequest && isOfClient && (name === "result" || name === "error");
    if (isAnswerOfClient || isLikeOfMessage(name)) return undefined;
    const isParams = isRequest && name === "params";
    if (isParams && isNull(text, member)) return undefined;
    if (member.members === undefined) return text.slice(member.from, member.to);
    const { members: all } = member;
    const isLeftOut = (inner: Member) =>
      isParams && (isLikeOfParams(inner.name) || nullable.includes(inner.name) && isNull(text, inner));
    return objectText(
      text,
      all,
      (inner) => isLeftOut(inner) ? undefined : text.slice(inner.from, inner.to),
    );
  });
  return partsOf(tidy);
}

/** The parts of `text`, which is an object. */
function partsOf(text: string): RawParts {
  return new RawParts(text, scanObject(text, UNLIMITED, isLookedInto)!);
}

/** Reads an object that is not written as messages usually are, or is none. */
function readIrregular(parts: RawParts, options?: ServerTextOptions): RawReading {
  const regular = identified(parts.toMessage(), options?.answers);
  if (regular) return { kind: "message", message: regular };
  const value = outermostValue(parts);
  if (options?.answers !== undefined && value.method === undefined) value.id ??= idValue(options.answers);
  const checked = options ? readServerMessage(value, options.server) : checkEnvelope(value);
  if (typeof checked === "string") return invalid(parts, { value, why: checked });
  const message = "method" in checked
    ? parts.toRequest()
    : partsOf(repairedText(parts, { value, response: checked })).toMessage();
  return message ? { kind: "message", message } : invalid(parts, { value, why: "id must not be null" });
}

/** The value of an object, without what is in its params or its result. */
function outermostValue(parts: RawParts): JsonObject {
  const entries = parts.members.map(({ name, from, to, members }): [string, Json] => {
    return [name, members ? {} : JSON.parse(parts.text.slice(from, to))];
  });
  const value: JsonObject = Object.fromEntries(entries);
  const id = parts.readId();
  if (id !== undefined) value.id = idValue(id);
  return value;
}

// The checks of an envelope take ids of any size.
function idValue(id: RequestId): Json {
  return id as Json;
}

/** The message of an error, which a client may have left out. */
function errorText(message: unknown): string {
  return typeof message === "string" ? message : JSON.stringify(message) ?? "";
}

/** `response`, which was made of `value`, with what it passes on as it is in `parts`. */
function repairedText(
  parts: RawParts,
  { value, response }: { value: JsonObject; response: RpcResponse },
): string {
  const id = JSON.stringify(response.id === null ? null : jsonId(response.id));
  if (response.error === undefined) return `{"jsonrpc":"2.0","id":${id},"result":${parts.textOf("result")}}`;
  const { code, message, data } = response.error;
  const isOwn = isObject(value.error) && value.error.code === code;
  const own = isOwn ? rawObject(parts.textOf("error")!) : undefined;
  // A number may be one that a double cannot hold.
  const written = (name: string, part: Json) => own?.textOf(name) ?? JSON.stringify(part);
  const members = [`"code":${written("code", code)},"message":${JSON.stringify(errorText(message))}`];
  if (data !== undefined) members.push(`"data":${written("data", data)}`);
  return `{"jsonrpc":"2.0","id":${id},"error":{${members.join(",")}}}`;
}

function invalid(parts: RawParts, { value, why }: { value: JsonObject; why: string }): InvalidReading {
  const { text, members } = parts;
  const id = errorResponseId(value.id);
  return {
    kind: "invalid",
    why,
    object: new RawObject(text, { from: 0, to: text.length, members }),
    isResponse: value.method === undefined && ("result" in value || "error" in value),
    id,
    idText: id === null ? "null" : parts.textOf("id")!,
  };
}
