import { isObject, type JsonObject } from "../base/json.ts";
import { CODES } from "../wire/codes.ts";
import { MODERN_CODES } from "../wire/era_errors.ts";
import { isTooDeep } from "../wire/shape.ts";
import { HttpStatusError } from "./http_errors.ts";

/** Refusals of the one who asks, or for the moment: they say nothing of the era of a server. */
const NO_VERDICT: ReadonlySet<number> = new Set([401, 402, 403, 407, 408, 421, 425, 429, 431, 451]);

/** The JSON-RPC error response that `body` is, if it is one. */
export function rpcErrorIn(body: string): (JsonObject & { error: JsonObject }) | undefined {
  if (!body.includes('"jsonrpc"') || isTooDeep(body)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.jsonrpc !== "2.0" || value.method !== undefined) return undefined;
  const { error } = value;
  return isObject(error) && typeof error.code === "number" ? { ...value, error } : undefined;
}

/**
 * Whether a server of the modern era has made the refusal of `initialize`: it names what only that era has, or says in
 * JSON-RPC that it does not know the method (MCP basic/transports/streamable-http, backward compatibility).
 */
export function isModernRefusal({ status, body }: HttpStatusError): boolean {
  const code = rpcErrorIn(body)?.error.code;
  return MODERN_CODES.has(code) || (status === 404 && code === CODES.METHOD_NOT_FOUND.rpc);
}

/**
 * Whether `thrown`, for which the first request in the modern form failed, means a server of the legacy era: it was
 * refused with a 4xx without an error of the modern era (MCP basic/versioning, compatibility matrix). What concerns
 * access, load or the connection is a fault, and means neither.
 *
 * @param thrown as a transport threw it, or an error that it is the cause of
 */
export function meansLegacy(thrown: unknown): boolean {
  const refusal = refusalIn(thrown);
  return refusal !== undefined && isAboutEra(refusal) &&
    !MODERN_CODES.has(rpcErrorIn(refusal.body)?.error.code);
}

/** Whether a refusal can be about the kind of the request, and not about who makes it or when. */
export function isAboutEra({ status }: HttpStatusError): boolean {
  return status >= 400 && status < 500 && !NO_VERDICT.has(status);
}

function refusalIn(thrown: unknown): HttpStatusError | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof HttpStatusError) return error;
  }
  return undefined;
}
