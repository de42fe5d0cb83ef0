import { clip } from "../base/text.ts";
import { ExaiError } from "../base/errors.ts";
import { type Json, type JsonObject, rawJson, textOf } from "../base/json.ts";
import { KIB } from "../base/units.ts";
import { type Params, RawObject } from "./raw_object.ts";
import { MAX_ID_CHARS, readRequestId, type RequestId } from "./rpc.ts";

/** Supported MCP revisions with an `initialize` handshake, newest first. */
export const REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] as const;

/** The revision offered to a client that asks for an unsupported one (MCP lifecycle, version negotiation). */
export const LATEST_REVISION = REVISIONS[0];

/** The revision to answer a client with that asked for `requested`. */
export function negotiateRevision(requested: Json | undefined): string {
  return REVISIONS.find((revision) => revision === requested) ?? LATEST_REVISION;
}

/** Name and version of a client or server, as `initialize` carries it. */
export interface Implementation extends JsonObject {
  name: string;
  version: string;
}

/** Longest URI of a subscription. */
export const MAX_URI_CHARS = 8 * KIB;

/** How much of a client's name and version is kept. */
const MAX_NAME_CHARS = 256;

/**
 * The `uri` of a request about a resource.
 *
 * @throws {ExaiError} `INVALID_PARAMS` when it is not a string
 */
export function uriOf({ params }: { params: JsonObject }): string {
  const uri = textOf(params.uri);
  if (uri === undefined) throw new ExaiError("INVALID_PARAMS", "uri must be a text");
  return uri;
}

/**
 * The name and version of a client as bounded strings: they are shown, recorded and matched with patterns. Other
 * members (icons, a description) are not used.
 */
export function implementationOf(info: JsonObject): Implementation {
  const text = (value: Json | undefined) => typeof value === "string" ? clip(value, MAX_NAME_CHARS) : "";
  return { name: text(info.name), version: text(info.version) };
}

/** The result of `initialize`. */
export interface InitializeResult extends JsonObject {
  protocolVersion: string;
  capabilities: JsonObject;
  serverInfo: Implementation;
  instructions?: string;
}

/** A tool as `tools/list` shows it; unknown members are passed on. */
export interface ToolDefinition extends JsonObject {
  name: string;
  description?: string;
  inputSchema: JsonObject;
}

/** The result of `tools/call`. */
export interface ToolResult extends JsonObject {
  content: JsonObject[];
  structuredContent?: JsonObject;
  isError?: boolean;
}

/** A tool result of one text block. */
export function textResult(text: string, options: { isError?: boolean } = {}): ToolResult {
  const content = [{ type: "text", text }];
  return options.isError ? { content, isError: true } : { content };
}

/** Log levels of `notifications/message`, least severe first (RFC 5424). */
export const LOG_LEVELS = [
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whether a message of `level` is at least as severe as `least`; never, where it is no level. */
export function reachesLevel(level: unknown, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level as LogLevel) >= LOG_LEVELS.indexOf(least);
}

/** A token, and the text it came in. */
interface ProgressToken {
  readonly value: RequestId;
  readonly text: string;
}

/**
 * The progress token of a request, if there is one; null is none.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for anything else: a server may drop such a request without an answer
 */
export function progressTokenOf(params: RawObject | undefined): ProgressToken | undefined {
  const text = params?.objectAt("_meta")?.textOf("progressToken");
  if (text === undefined || text === "null") return undefined;
  const value: unknown = readRequestId(text) ?? JSON.parse(text);
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") {
    throw new ExaiError("INVALID_PARAMS", "progressToken must be a text or a number");
  }
  if (String(value).length > MAX_ID_CHARS) {
    throw new ExaiError("INVALID_PARAMS", `progressToken may hold ${MAX_ID_CHARS} characters at most`);
  }
  return { value, text };
}

/** `params` of a notification of progress, under the token whose text is `token`. */
export function withTokenText(params: Params, token: string): Params {
  if (!(params instanceof RawObject)) return { ...params, progressToken: rawJson(token) };
  return params.has("progressToken") ? params.withText("progressToken", token) : params;
}

/** In `_meta` of an `initialize` that a shim repeats for its client, which does not see the answer. */
const REPLAY = "exai/replay";

/**
 * The parameters of an `initialize` repeated to another daemon; `had`: the level the client had set, and how many
 * subscriptions it had, which are repeated next.
 */
export function asReplay(
  initialize: JsonObject,
  had: { logLevel: unknown; subscriptions: number },
): JsonObject {
  const meta = initialize._meta as JsonObject | undefined;
  return { ...initialize, _meta: { ...meta, [REPLAY]: had } as JsonObject };
}

/** What a repeated `initialize` says; undefined for one that comes from the client. */
export function replayOf(
  params: JsonObject,
): { logLevel: LogLevel | undefined; subscriptions: number } | undefined {
  const replay = (params._meta as JsonObject | undefined)?.[REPLAY] as JsonObject | undefined;
  return replay && {
    logLevel: LOG_LEVELS.find((level) => level === replay.logLevel),
    subscriptions: Number(replay.subscriptions) || 0,
  };
}

/** `params` with another progress token. What is beside it in a text stays as it came. */
export function withProgressToken<P extends Params>(params: P, token: string | number): P | JsonObject {
  if (!(params instanceof RawObject)) return { ...params, _meta: withToken(params._meta, token) };
  const meta = params.objectAt("_meta");
  const text = meta?.has("progressToken")
    ? meta.with("progressToken", token).text
    : JSON.stringify(withToken(params.get("_meta"), token));
  return params.has("_meta")
    ? params.withText("_meta", text) as P
    : { ...params.value, _meta: JSON.parse(text) };
}

function withToken(meta: Json | undefined, token: string | number): JsonObject {
  return { ...(meta as JsonObject | undefined), progressToken: token };
}

/** Whether a refusal is about the protocol revision. There is no error code for it. */
export function isAboutRevision(text: string): boolean {
  return /protocol[\s_-]*version|(?:unsupported|unknown|invalid|incompatible)\b.{0,40}\bversion|version\b.{0,40}\bsupported/i
    .test(text);
}

/** A method that changes for which resources its sender is told of updates (MCP server/resources). */
export type SubscriptionMethod = "resources/subscribe" | "resources/unsubscribe";

export function isSubscriptionMethod(method: string): method is SubscriptionMethod {
  return method === "resources/subscribe" || method === "resources/unsubscribe";
}
