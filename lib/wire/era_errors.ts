import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import type { Era } from "./client_claim.ts";
import { CODES, toRpcError } from "./codes.ts";
import type { RpcError } from "./rpc.ts";

/** A server's error: a person has to open pages first (MCP 2025-11-25 client/elicitation); of that era alone. */
export const URL_ELICITATION_REQUIRED = -32042;

/** The codes that MCP keeps for itself; it defines three of them (MCP 2026-07-28 basic, error codes). */
const RESERVED = { from: -32099, to: -32020 };

const { RESOURCE_NOT_FOUND, INVALID_PARAMS, INTERNAL } = CODES;
const { HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_REVISION } = CODES;

/** The codes that the modern era defines, which say something of one hop (MCP 2026-07-28 basic, error codes). */
export const MODERN_CODES: ReadonlySet<unknown> = new Set([
  HEADER_MISMATCH.rpc,
  MISSING_CAPABILITY.rpc,
  UNSUPPORTED_REVISION.rpc,
]);

/** What {@linkcode errorForEra} is told of the client. */
interface ErrorContext {
  /** What the client has declared; nothing by default. */
  capabilities?: JsonObject;
}

/**
 * The error of a call as a client of `era` may be told it (MCP 2026-07-28 basic, error codes): with the code that the
 * era has for what it means, and without codes that speak of the hop between the daemon and a server. What no rule is
 * about is `error` itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errorForEra } from "./era_errors.ts";
 *
 * const error = { code: -32002, message: "no such file", data: { uri: "file:///a" } };
 * assertEquals(errorForEra(error, "legacy"), error);
 * assertEquals(errorForEra(error, "modern"), { ...error, code: -32602 });
 * ```
 */
export function errorForEra(error: RpcError, era: Era, { capabilities = {} }: ErrorContext = {}): RpcError {
  if (era === "legacy") return legacyError(error);
  switch (error.code) {
    case RESOURCE_NOT_FOUND.rpc:
      return { ...error, code: INVALID_PARAMS.rpc };
    case URL_ELICITATION_REQUIRED:
      return missingError(error, { elicitation: { url: {} } }, capabilities);
    case MISSING_CAPABILITY.rpc:
      return missingError(error, requiredOf(error.data), capabilities);
  }
  if (error.code < RESERVED.from || error.code > RESERVED.to) return error;
  return ofServer(error);
}

/**
 * What was thrown at the door of a client of `era`, before its request became a call: codes about the hop are about this
 * one.
 */
export function thrownForEra(thrown: unknown, era: Era): RpcError {
  const error = toRpcError(thrown);
  const isOfHop = MODERN_CODES.has(error.code) && era === "modern";
  return isOfHop ? error : errorForEra(error, era);
}

/** An error of a modern server to a request of `method`, with the code that it has in the neutral model. */
export function errorOfModernServer(error: RpcError, method: string): RpcError {
  const isOfResource = method === "resources/read" && isObject(error.data) && error.data.uri !== undefined;
  return error.code === INVALID_PARAMS.rpc && isOfResource
    ? { ...error, code: RESOURCE_NOT_FOUND.rpc }
    : error;
}

/** In the legacy era the codes of the modern one have no meaning: EXAI's own are given as its other codes are. */
function legacyError(error: RpcError): RpcError {
  const isOwn = isObject(error.data) && error.data.code === "MISSING_CAPABILITY";
  return isOwn && error.code === MISSING_CAPABILITY.rpc ? { ...error, code: LEGACY_MISSING } : error;
}

/** `MISSING_CAPABILITY` for clients of the legacy era, by the rule of `CODES`. */
export const LEGACY_MISSING = -31021;

/** -32021 with what the client has not declared, or an internal error where that is nothing. */
function missingError(error: RpcError, required: JsonObject, capabilities: JsonObject): RpcError {
  const lacked = lackedOf(required, capabilities);
  if (lacked === undefined) return ofServer(error);
  const details = { ...(isObject(error.data) ? error.data : {}), requiredCapabilities: lacked };
  return toRpcError(new ExaiError("MISSING_CAPABILITY", error.message, { details }));
}

/** An error of a server under a code that it may not have here; which one it was stays in the data. */
function ofServer({ code, message, data }: RpcError): RpcError {
  const rest: JsonObject = isObject(data) ? data : data === undefined ? {} : { data };
  return { code: INTERNAL.rpc, message, data: { ...rest, serverCode: code } };
}

/**
 * What of the capabilities that the `data` of -32021 requires is not in `capabilities`; undefined where that is nothing.
 */
export function lackedCapabilities(data: Json | undefined, capabilities: JsonObject): JsonObject | undefined {
  return lackedOf(requiredOf(data), capabilities);
}

function requiredOf(data: Json | undefined): JsonObject {
  return isObject(data) && isObject(data.requiredCapabilities) ? data.requiredCapabilities : {};
}

/**
 * The part of `required` that `capabilities` lack, parts of a capability included; undefined when that is nothing.
 */
function lackedOf(required: JsonObject, capabilities: JsonObject): JsonObject | undefined {
  const lacked = Object.entries(required).flatMap(([name, value]): [string, Json][] => {
    const offered = Object.hasOwn(capabilities, name) ? capabilities[name] : undefined;
    if (!isObject(offered)) return [[name, value ?? {}]];
    const parts = isObject(value) ? lackedOf(value, offered) : undefined;
    return parts ? [[name, parts]] : [];
  });
  return lacked.length === 0 ? undefined : Object.fromEntries(lacked);
}
