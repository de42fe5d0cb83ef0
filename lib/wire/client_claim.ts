import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { type Implementation, implementationOf, LOG_LEVELS, type LogLevel } from "./mcp.ts";
import type { RawObject } from "./raw_object.ts";

/**
 * `legacy`: revisions with an `initialize` handshake, up to 2025-11-25. `modern`: revisions in which each request says
 * who sends it and what its client can do (MCP basic/versioning, terminology).
 */
export type Era = "legacy" | "modern";

/** Supported revisions without a handshake, newest first. */
export const MODERN_REVISIONS = ["2026-07-28"] as const;

/** Reserved names in `_meta` of requests, results and notifications (MCP basic, general fields). */
export const META = {
  revision: "io.modelcontextprotocol/protocolVersion",
  client: "io.modelcontextprotocol/clientInfo",
  capabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
  server: "io.modelcontextprotocol/serverInfo",
  subscription: "io.modelcontextprotocol/subscriptionId",
} as const;

/** The members of `_meta` that a claim consists of. They are about one hop and never passed on. */
export const CLAIM_NAMES: readonly string[] = [META.revision, META.client, META.capabilities, META.logLevel];

/** What a request of the modern era says of its client (MCP basic, per-request protocol fields). */
export interface ClientClaim {
  readonly revision: string;
  /** Said by the client of itself: for display alone. */
  readonly client: Implementation | undefined;
  readonly capabilities: JsonObject;
  /** Least severe level of log messages it wants about this request; undefined: it wants none. */
  readonly logLevel: LogLevel | undefined;
}

/** Whether a request is one of the modern era: by its own content alone, whatever came before on its connection. */
export function isModern(params: RawObject | undefined): boolean {
  return params?.objectAt("_meta")?.has(META.revision) ?? false;
}

/**
 * The claim of a request that {@linkcode isModern}.
 *
 * @throws {ExaiError} `UNSUPPORTED_REVISION` with the supported ones; `INVALID_PARAMS` naming what is missing or invalid
 */
export function readClaim(params: RawObject): ClientClaim {
  const meta = params.objectAt("_meta")!;
  const revision = meta.get(META.revision);
  if (typeof revision !== "string") throw invalidClaim(META.revision, "must be a text");
  if (!(MODERN_REVISIONS as readonly string[]).includes(revision)) throw unsupported(revision);
  const capabilities = meta.get(META.capabilities);
  if (!isObject(capabilities)) throw invalidClaim(META.capabilities, "must be an object, on every request");
  const client = meta.get(META.client);
  if (client !== undefined && !isObject(client)) throw invalidClaim(META.client, "must be an object");
  const logLevel = meta.get(META.logLevel);
  return {
    revision,
    client: client && implementationOf(client),
    capabilities,
    logLevel: logLevel === undefined ? undefined : levelOf(logLevel),
  };
}

/** The error for a request of a modern revision that is not supported (MCP basic/versioning). */
function unsupported(requested: string): ExaiError {
  return new ExaiError(
    "UNSUPPORTED_REVISION",
    `this server does not speak MCP ${JSON.stringify(requested)} without initialize; it speaks ${
      MODERN_REVISIONS.join(", ")
    }`,
    { details: { supported: [...MODERN_REVISIONS], requested } },
  );
}

function levelOf(value: Json): LogLevel {
  const level = LOG_LEVELS.find((one) => one === value);
  if (level === undefined) throw invalidClaim(META.logLevel, `must be one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

/** The error for a member of the claim that is missing or invalid. */
export function invalidClaim(name: string, why: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `_meta[${JSON.stringify(name)}] ${why}`);
}

/**
 * `params` without their claim, and without the members `lifted` that they have: what is passed on to a server carries
 * the claim of the daemon, or none.
 */
export function withoutClaim(params: RawObject, lifted: readonly string[]): RawObject {
  const meta = params.objectAt("_meta");
  if (!meta) return params.without(...lifted);
  if (meta.names.every((name) => CLAIM_NAMES.includes(name))) return params.without("_meta", ...lifted);
  return params.without(...lifted).withText("_meta", meta.without(...CLAIM_NAMES).text);
}
