import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { clip } from "../base/text.ts";
import { type ScanFault, scanJson, type ScanLimits, scanObject } from "./json_scan.ts";
import { withoutNaN } from "./lenient.ts";
import { isLookalike } from "./lookalikes.ts";
import { isLookedInto, type RawMessage, RawParts, readRawMessage } from "./raw_message.ts";
import { objectText, RawObject, rawObject } from "./raw_object.ts";
import { checkEnvelope, errorResponseId, jsonId, type RequestId, type RpcResponse } from "./rpc.ts";
import { readServerMessage } from "./server_message.ts";
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

const UNLIMITED: ScanLimits = { depth: Infinity, members: Infinity };
const CLIENT_LIMITS: ScanLimits = { depth: MAX_DEPTH, members: MAX_MEMBERS };

interface MemberPlace {
  isRequest: boolean;
  isNull: boolean;
}

/** Which members of an irregular message are not passed on. */
interface Omissions {
  fromMessage(name: string, place: MemberPlace): boolean;
  fromParams(name: string, isNull: boolean): boolean;
}

/** Optional parameters of requests for which some clients send null. */
const NULLABLE: readonly string[] = ["cursor", "arguments", "_meta"];

const OF_SERVER: Omissions = {
  fromMessage: (name, { isRequest, isNull }) => isRequest && isNull && name === "params",
  fromParams: () => false,
};

const OF_CLIENT: Omissions = {
  // With a result, a server may take a request for the answer to its question to another window.
  fromMessage: (name, place) =>
    OF_SERVER.fromMessage(name, place) || isLookalike(name, "message") ||
    (place.isRequest && (name === "result" || name === "error")),
  fromParams: (name, isNull) => isLookalike(name, "params") || (isNull && NULLABLE.includes(name)),
};

/**
 * Reads what a client has sent. Members that stand several times where this side reads them are reduced to the last,
 * which `JSON.parse` takes; members that a server may take for one of these, and optional parameters that are null, are
 * left out; everything else stays as it came.
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
    if (message && !hasNulls(parts) && !hasLookalikes(parts)) return { kind: "message", message };
    return readIrregular(tidied(parts, OF_CLIENT));
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
    return message ? { kind: "message", message } : readIrregular(tidied(parts, OF_SERVER), options);
  };
  const reading = readText(text, SERVER_LIMITS, read);
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

/** `message`; an error that names no request is to the request `answers`. */
function identified(message: RawMessage | undefined, answers: RequestId | undefined): RawMessage | undefined {
  if (answers === undefined || message?.kind !== "response" || message.id !== null) return message;
  return readRawMessage(message.toText({ idText: JSON.stringify(jsonId(answers)) }), UNLIMITED);
}

function hasNulls(parts: RawParts): boolean {
  const members = parts.find("params")?.members ?? [];
  return members.some((member) => NULLABLE.includes(member.name) && isNull(parts.text, member));
}

function hasLookalikes(parts: RawParts): boolean {
  const params = parts.find("params")?.members ?? [];
  return parts.members.some(({ name }) => isLookalike(name, "message")) ||
    params.some(({ name }) => isLookalike(name, "params"));
}

function isNull(text: string, { from }: { from: number }): boolean {
  // No other value begins with n.
  return text.charCodeAt(from) === 0x6e;
}

/** `parts` without repeated members, and without what `isLeftOut` names. */
function tidied({ text, members }: RawParts, isLeftOut: Omissions): RawParts {
  const isRequest = members.some(({ name }) => name === "method");
  const tidy = objectText(text, members, (member) => {
    const place: MemberPlace = { isRequest, isNull: isNull(text, member) };
    if (isLeftOut.fromMessage(member.name, place)) return undefined;
    if (member.members === undefined) return text.slice(member.from, member.to);
    const isParams = isRequest && member.name === "params";
    return objectText(text, member.members, (inner) => {
      const isOut = isParams && isLeftOut.fromParams(inner.name, isNull(text, inner));
      return isOut ? undefined : text.slice(inner.from, inner.to);
    });
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
    : partsOf(responseText(parts, { value, response: checked })).toMessage();
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
function messageText(message: unknown): string {
  return typeof message === "string" ? message : JSON.stringify(message) ?? "";
}

/** `response`, which was made of `value`, with what it passes on as it is in `parts`. */
function responseText(
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
  const members = [`"code":${written("code", code)},"message":${JSON.stringify(messageText(message))}`];
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
