import { isObject, type Json, type JsonObject } from "../../../base/json.ts";
import { CODES } from "../../../wire/codes.ts";
import { type InitializeResult, isAboutRevision, LATEST_REVISION, REVISIONS } from "../../../wire/mcp.ts";
import type { Result } from "../../../wire/rpc.ts";
import { HttpStatusError } from "../../../remote/http_errors.ts";

/** Older than any revision EXAI offers, but compatible in everything used here. */
const FIRST_DRAFT = "2024-10-07";
const KNOWN: readonly string[] = [...REVISIONS, FIRST_DRAFT];
const OLDEST = REVISIONS.at(-1)!;

/** A server has refused what its client says of itself, which may be said otherwise for another. */
export class ClientRefusedError extends Error {}

/** Sends `initialize` with a revision. */
type AskInitialize = (revision: string) => Promise<Result>;

/**
 * Initializes a server and negotiates a revision. A server that does not support the requested revision should answer
 * with one it supports (MCP basic/lifecycle, version negotiation); many return an error instead, or answer with one that
 * EXAI does not support. Those are asked once more, for a revision both support.
 *
 * @throws {Error} with the server's error, or what is wrong with its answer
 */
export async function initialize(ask: AskInitialize, server: string): Promise<InitializeResult> {
  const first = await attempt(ask, LATEST_REVISION);
  const next = nextRevision(first);
  const last = next === undefined ? first : await attempt(ask, next);
  if (last.isAccepted) return checked(last.result, server);
  const offered = first.isAccepted ? [] : first.offered;
  const thrown = last.thrown ?? (first.isAccepted ? undefined : first.thrown);
  const why = refusalText(last.refusal, offered);
  throw new (last.isAboutClient ? ClientRefusedError : Error)(why, { cause: thrown });
}

/** The outcome of one `initialize`. */
type InitializeAttempt =
  | { isAccepted: true; result: JsonObject }
  | {
    isAccepted: false;
    /** The server's error. */
    refusal: string;
    /** Revisions the server says it supports. */
    offered: readonly string[];
    isAboutClient: boolean;
    thrown?: unknown;
  };

async function attempt(ask: AskInitialize, revision: string): Promise<InitializeAttempt> {
  try {
    const { result, error } = await ask(revision);
    if (error) return refused(error.message, { ...error, asked: revision });
    return { isAccepted: true, result };
  } catch (thrown) {
    const refusal = thrown instanceof Error ? thrown.cause : undefined;
    if (!(refusal instanceof HttpStatusError) || !isAboutRevision(refusal.body)) throw thrown;
    return { ...refused(refusal.message, { asked: revision, body: refusal.body }), thrown };
  }
}

/** Servers name what they support in `data`, or only in the text: MCP has no error code for an unsupported revision. */
function refused(
  message: string,
  { code, data, asked, body = "" }: { code?: number; data?: Json; asked: string; body?: string },
) {
  const supported = isObject(data) ? data.supported ?? data.supportedVersions : undefined;
  const named = Array.isArray(supported)
    ? supported.map(String)
    : `${message} ${body}`.match(/\d{4}-\d{2}-\d{2}/g);
  const offered = (named ?? []).filter((revision) => revision !== asked);
  // Of its params it is the capabilities that differ between clients; some servers name them under another code.
  const isAboutClient = !isAboutRevision(message) &&
    (code === CODES.INVALID_PARAMS.rpc || /\bcapabilities\b/.test(message));
  return { isAccepted: false as const, refusal: message, offered, isAboutClient };
}

/** The revision to try after an attempt; undefined when it succeeded, or there is none. */
function nextRevision(attempt: InitializeAttempt): string | undefined {
  if (!attempt.isAccepted) {
    const { offered, refusal } = attempt;
    if (offered.length === 0) return isAboutRevision(refusal) ? OLDEST : undefined;
    return KNOWN.find((revision) => offered.includes(revision));
  }
  const answered = attempt.result.protocolVersion;
  if (typeof answered !== "string" || (REVISIONS as readonly string[]).includes(answered)) return undefined;
  return answered < OLDEST ? OLDEST : REVISIONS[1];
}

function refusalText(refusal: string, offered: readonly string[]): string {
  const speaks = offered.length > 0 ? ` (it speaks ${offered.join(", ")})` : "";
  const about = isAboutRevision(refusal) ? `; EXAI speaks MCP ${REVISIONS.join(", ")}${speaks}` : "";
  return `it refused to initialize: ${refusal}${about}`;
}

/** @throws {Error} naming the malformed field */
function checked(result: JsonObject, server: string): InitializeResult {
  const { protocolVersion, capabilities, serverInfo } = result;
  const wrong = (what: string, value: Json | undefined) =>
    new Error(`its answer to initialize is malformed: ${what}, and is ${JSON.stringify(value) ?? "missing"}`);
  if (typeof protocolVersion !== "string") {
    throw wrong(`protocolVersion must be a text such as "${LATEST_REVISION}"`, protocolVersion);
  }
  if (!KNOWN.includes(protocolVersion)) {
    throw new Error(
      `it speaks MCP ${protocolVersion}, which EXAI does not; EXAI speaks ${REVISIONS.join(", ")}`,
    );
  }
  if (capabilities !== undefined && capabilities !== null && !isObject(capabilities)) {
    throw wrong("capabilities must be an object", capabilities);
  }
  // Only shown to users: the name in the configuration is the default.
  const info = isObject(serverInfo) ? serverInfo : {};
  const named = {
    ...info,
    name: typeof info.name === "string" ? info.name : server,
    version: typeof info.version === "string" ? info.version : "",
  };
  return { ...result, protocolVersion, capabilities: capabilities ?? {}, serverInfo: named };
}
