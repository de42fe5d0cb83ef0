import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, textOf, valueAt } from "../base/json.ts";
import { META } from "./client_claim.ts";
import { rawMessage } from "./raw_message.ts";
import { memberOf, type Params } from "./raw_object.ts";
import { holdsData, holdsNamedSchemas } from "./schema_keywords.ts";

/** The names of the headers that repeat parts of a message (MCP basic/transports/streamable-http, request metadata). */
const HEADER = { revision: "MCP-Protocol-Version", method: "Mcp-Method", name: "Mcp-Name" } as const;

const PARAM_PREFIX = "Mcp-Param-";

/** The param that `Mcp-Name` repeats, by method. */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/** A request or notification whose parts are repeated in headers. */
interface HeadedMessage {
  method: string;
  params?: Params;
}

/** The headers that a client sends with `message`, which has a claim. */
export function requestHeaders(message: HeadedMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  const revision = revisionOf(message);
  const name = nameOf(message);
  if (revision !== undefined) headers[HEADER.revision] = revision;
  headers[HEADER.method] = message.method;
  if (name !== undefined) headers[HEADER.name] = encodeHeaderValue(name);
  return headers;
}

/**
 * Checks that the headers of a request repeat what its body says (MCP basic/transports/streamable-http, server
 * validation). The request has a claim.
 *
 * @throws {ExaiError} `HEADER_MISMATCH`
 */
export function checkRequestHeaders(headers: Headers, message: HeadedMessage): void {
  checkHeader(headers, HEADER.revision, revisionOf(message));
  checkHeader(headers, HEADER.method, message.method);
  const name = nameOf(message);
  if (name === undefined) return;
  const given = headers.get(HEADER.name);
  if (given === null) throw missing(HEADER.name, name);
  checkEncoded(HEADER.name, given, (value) => value === name, name);
}

function checkHeader(headers: Headers, name: string, inBody: string | undefined): void {
  const given = headers.get(name);
  if (inBody === undefined || given === inBody) return;
  throw given === null ? missing(name, inBody) : different(name, given, inBody);
}

/** Checks that a header which may be encoded holds a value that `isSame` as `inBody`. */
function checkEncoded(
  name: string,
  given: string,
  isSame: (value: string) => boolean,
  inBody: string | undefined,
): void {
  const value = decodeHeaderValue(given);
  if (value === undefined) {
    const why = "holds neither visible ASCII characters alone nor base64 of UTF-8, as =?base64?...?=";
    throw new ExaiError("HEADER_MISMATCH", `the header ${name}, ${JSON.stringify(given)}, ${why}`);
  }
  if (!isSame(value)) throw different(name, value, inBody);
}

function missing(name: string, inBody: string): ExaiError {
  const why = `the header ${name} is missing; the body says ${JSON.stringify(inBody)}`;
  return new ExaiError("HEADER_MISMATCH", why);
}

function different(name: string, given: string, inBody: string | undefined): ExaiError {
  const said = inBody === undefined ? "nothing of it" : JSON.stringify(inBody);
  const why = `the header ${name} says ${JSON.stringify(given)}, and the body ${said}`;
  return new ExaiError("HEADER_MISMATCH", why);
}

function paramsOf(message: HeadedMessage): Params | undefined {
  return rawMessage(message)?.body ?? message.params;
}

function revisionOf(message: HeadedMessage): string | undefined {
  const params = paramsOf(message);
  const meta = params && memberOf(params, "_meta");
  return isObject(meta) ? textOf(meta[META.revision]) : undefined;
}

function nameOf(message: HeadedMessage): string | undefined {
  const named = NAMED_BY.get(message.method);
  const params = paramsOf(message);
  return named === undefined || !params ? undefined : textOf(memberOf(params, named));
}

const SENTINEL = /^=\?base64\?(.*)\?=$/s;

/** What a header may hold as it is: RFC 9110 field values of visible ASCII, without spaces at their ends. */
const PLAIN = /^(?![ \t])[\x20-\x7e\t]*(?<![ \t])$/;

/** `value` as a header may hold it: as it is, or in base64 where it must be. */
export function encodeHeaderValue(value: string): string {
  if (PLAIN.test(value) && !SENTINEL.test(value)) return value;
  return `=?base64?${new TextEncoder().encode(value).toBase64()}?=`;
}

/** The value that a header holds; undefined where it holds what no client may send. */
export function decodeHeaderValue(text: string): string | undefined {
  const encoded = SENTINEL.exec(text)?.[1];
  if (encoded === undefined) return PLAIN.test(text) ? text : undefined;
  try {
    const bytes = Uint8Array.fromBase64(encoded, { lastChunkHandling: "strict" });
    // The parser of base64 passes over white space.
    if (bytes.toBase64() !== encoded) return undefined;
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** An argument of a tool that is repeated in the header `Mcp-Param-` + `header`. */
export interface HeaderParam {
  header: string;
  /** From the arguments to the value. */
  path: readonly string[];
  type: HeaderParamType;
}

type HeaderParamType = "string" | "integer" | "boolean";

/** What {@linkcode headerParams} finds; `fault`: why clients must not show the tool. */
type HeaderParams = { params: readonly HeaderParam[]; fault?: undefined } | { fault: string };

/** An RFC 9110 token. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const ANNOTATION = "x-mcp-header";

/**
 * The arguments of a tool that its `inputSchema` wants repeated in headers, or what makes the annotations invalid
 * (MCP basic/transports/streamable-http, schema extension).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headerParams } from "./headers.ts";
 *
 * const properties = { region: { type: "string", "x-mcp-header": "Region" } };
 * assertEquals(headerParams({ type: "object", properties }), {
 *   params: [{ header: "Region", path: ["region"], type: "string" }],
 * });
 * ```
 */
export function headerParams(inputSchema: Json | undefined): HeaderParams {
  const params: HeaderParam[] = [];
  const fault = collect(inputSchema, { path: [], isReachable: true, params });
  return fault === undefined ? { params } : { fault };
}

interface SchemaPlace {
  path: readonly string[];
  /** Whether only `properties` lead to it. */
  isReachable: boolean;
  params: HeaderParam[];
}

function collect(schema: Json | undefined, place: SchemaPlace): string | undefined {
  if (Array.isArray(schema)) return collectAll(schema, { ...place, isReachable: false });
  if (!isObject(schema)) return undefined;
  const { path, params } = place;
  if (schema[ANNOTATION] !== undefined) {
    const fault = faultOf(schema, place);
    if (fault !== undefined) return `${path.join(".") || "the schema"}: ${ANNOTATION} ${fault}`;
    params.push({ header: schema[ANNOTATION] as string, path, type: schema.type as HeaderParamType });
  }
  for (const [keyword, value] of Object.entries(schema)) {
    if (holdsData(keyword) || keyword === ANNOTATION) continue;
    const isReachable = place.isReachable && keyword === "properties";
    const fault = holdsNamedSchemas(keyword) && isObject(value)
      ? collectNamed(value, { ...place, isReachable })
      : collect(value, { ...place, isReachable: false });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function collectAll(schemas: readonly Json[], place: SchemaPlace): string | undefined {
  for (const schema of schemas) {
    const fault = collect(schema, place);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function collectNamed(schemas: JsonObject, place: SchemaPlace): string | undefined {
  for (const [name, schema] of Object.entries(schemas)) {
    const fault = collect(schema, { ...place, path: [...place.path, name] });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What is wrong with the annotation of `schema`. */
function faultOf(schema: JsonObject, { path, isReachable, params }: SchemaPlace): string | undefined {
  const header = schema[ANNOTATION];
  if (!isReachable || path.length === 0) return "may stand only where nothing but properties leads to";
  if (typeof header !== "string" || !TOKEN.test(header)) return "must be the name of a header";
  const { type } = schema;
  if (type !== "string" && type !== "integer" && type !== "boolean") {
    return "may stand only at a string, an integer or a boolean";
  }
  const isTaken = params.some((other) => other.header.toLowerCase() === header.toLowerCase());
  return isTaken ? `${JSON.stringify(header)} stands twice` : undefined;
}

/** The headers that repeat `args`, the arguments of a call of the tool with these `params`. */
export function paramHeaders(params: readonly HeaderParam[], args: Json | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { header, path } of params) {
    const text = headerText(valueAt(args, path));
    if (text !== undefined) headers[PARAM_PREFIX + header] = encodeHeaderValue(text);
  }
  return headers;
}

/**
 * Checks that the headers of a `tools/call` repeat the arguments that the tool wants repeated.
 *
 * @throws {ExaiError} `HEADER_MISMATCH`
 */
export function checkParamHeaders(
  headers: Headers,
  params: readonly HeaderParam[],
  args: Json | undefined,
): void {
  for (const { header, path } of params) {
    const name = PARAM_PREFIX + header;
    const given = headers.get(name);
    const value = valueAt(args, path);
    const inBody = headerText(value);
    if (given === null) {
      if (inBody !== undefined) throw missing(name, inBody);
      continue;
    }
    const isSame = (text: string) =>
      text === inBody || (typeof value === "number" && DECIMAL.test(text) && Number(text) === value);
    checkEncoded(name, given, isSame, inBody);
  }
}

const DECIMAL = /^-?\d+(?:\.\d+)?$/;

/** `value` as a header repeats it; undefined for one that no header repeats. */
function headerText(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || Number.isSafeInteger(value)) return String(value);
  return undefined;
}
