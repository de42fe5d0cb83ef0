import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { type InitializeResult, isAboutRevision, LATEST_REVISION, REVISIONS } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { HttpStatusError } from "../remote/errors.ts";

/** Before the first that EXAI offers; the same on the wire in all that is used here. */
const FIRST_DRAFT = "2024-10-07";
const KNOWN: readonly string[] = [...REVISIONS, FIRST_DRAFT];
const OLDEST = REVISIONS.at(-1)!;

/** Asks `initialize` for a revision. */
type AskInitialize = (revision: string) => Promise<Result>;

/**
 * Initializes a server, and agrees with it on a revision. A server should answer with one it speaks when it does not
 * speak the one it is asked for (MCP lifecycle, version negotiation); many refuse in its place, or answer with one that
 * we do not speak. Each is asked once more, for a revision that both know.
 *
 * @throws {Error} with what the server said, or what is wrong with its answer
 */
export async function initialize(ask: AskInitialize, server: string): Promise<InitializeResult> {
  const first = await attempt(ask, LATEST_REVISION);
  const next = nextRevision(first);
  const last = next === undefined ? first : await attempt(ask, next);
  if (last.refusal !== undefined) {
    throw new Error(refusalText(last.refusal, first), { cause: last.thrown ?? first.thrown });
  }
  return checked(last.result, server);
}

/** What came of asking once. */
interface InitializeAttempt {
  result?: JsonObject;
  /** How the server refused. */
  refusal?: string;
  /** Revisions it says it speaks. */
  offered: readonly string[];
  thrown?: unknown;
}

async function attempt(ask: AskInitialize, revision: string): Promise<InitializeAttempt> {
  try {
    const { result, error } = await ask(revision);
    if (!error) return { result, offered: [] };
    return refused(error.message, error.data, revision);
  } catch (thrown) {
    const refusal = (thrown as Error).cause;
    if (!(refusal instanceof HttpStatusError) || !isAboutRevision(refusal.body)) throw thrown;
    return { ...refused(refusal.message, undefined, revision, refusal.body), thrown };
  }
}

function refused(message: string, data: Json | undefined, asked: string, body = ""): InitializeAttempt {
  const supported = isObject(data) ? data.supported ?? data.supportedVersions : undefined;
  const named = Array.isArray(supported)
    ? supported.map(String)
    : `${message} ${body}`.match(/\d{4}-\d{2}-\d{2}/g);
  return { refusal: message, offered: (named ?? []).filter((revision) => revision !== asked) };
}

/** The revision to ask for after `attempt`; undefined when it went well, or there is none. */
function nextRevision({ result, refusal, offered }: InitializeAttempt): string | undefined {
  if (refusal !== undefined) {
    if (offered.length === 0) return isAboutRevision(refusal) ? OLDEST : undefined;
    return KNOWN.find((revision) => offered.includes(revision));
  }
  const answered = result!.protocolVersion;
  if (typeof answered !== "string" || (REVISIONS as readonly string[]).includes(answered)) return undefined;
  return answered < OLDEST ? OLDEST : REVISIONS[1];
}

function refusalText(refusal: string, first: InitializeAttempt): string {
  const offered = first.offered.length > 0 ? ` (it speaks ${first.offered.join(", ")})` : "";
  const about = isAboutRevision(refusal) ? `; EXAI speaks MCP ${REVISIONS.join(", ")}${offered}` : "";
  return `it refused to initialize: ${refusal}${about}`;
}

function checked(result: JsonObject | undefined, server: string): InitializeResult {
  const { protocolVersion, capabilities, serverInfo } = result!;
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
  // Only shown to people: a server that does not tell its name has one in the configuration.
  const info = isObject(serverInfo) ? serverInfo : {};
  const named = {
    ...info,
    name: typeof info.name === "string" ? info.name : server,
    version: typeof info.version === "string" ? info.version : "",
  };
  return { ...result, protocolVersion, capabilities: capabilities ?? {}, serverInfo: named };
}
