import { isObject, type JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { CODES } from "../wire/codes.ts";
import type { RequestId } from "../wire/rpc.ts";
import { isTooDeep } from "../wire/shape.ts";
import { HttpStatusError, isAboutSession } from "./http_errors.ts";
import type { ServerEndpoint } from "./server_endpoint.ts";
import { eventsOf } from "./server_events.ts";
import { PROBE_METHOD } from "./unexplained_losses.ts";

/** A refusal is a sentence; a longer text is an answer. */
const MAX_REFUSAL_CHARS = 4096;
const MAX_PROBE_MS = 10 * SECOND_MS;

/** How servers say that they do not know a session. MCP has no error code for it. */
const LOST_SESSION: readonly RegExp[] = [
  /session[^.]{0,80}\b(?:not found|unknown|expired|invalid|not valid|not exist|n't exist|no longer|gone|terminated|closed|lost|missing|required|not recogni[sz]ed|timed out)\b/i,
  /\b(?:unknown|invalid|expired|missing|stale|terminated|no|not find|not recogni[sz]ed?)\b[^.]{0,30}\bsession/i,
  /SessionNotFound|SessionExpired|mcp-session-id/i,
  /\bnot (?:been |yet )?initiali[sz]ed\b|before initiali[sz]ation|\bre-?initiali[sz]e\b/i,
];

/** HTTP statuses some servers send for an unknown session without a text that says so; 404 says it by itself. */
const UNEXPLAINED: ReadonlySet<number> = new Set([400, 401, 409, 410, 412, 422, 440]);

/** The message that was refused. */
export interface RefusedMessage {
  id: RequestId | undefined;
  method: string | undefined;
}

/** The error that `text`, the body of a response with HTTP status 200, holds if it says that the session is unknown. */
export function sessionErrorIn(text: string, response: Response): HttpStatusError | undefined {
  if (text.length > MAX_REFUSAL_CHARS || !text.includes('"error"') || !saysLost(text)) return undefined;
  return errorIn(text) === undefined ? undefined : new HttpStatusError(response, text);
}

/** Whether the refusal is the JSON-RPC response to the request, and says nothing of the session. */
export function isOwnResponse({ status, body }: HttpStatusError, { id }: RefusedMessage): boolean {
  return (status === 404 || status < 300) && namesRequest(errorIn(body), id);
}

/**
 * What a refusal means for the session.
 *
 * - `lost`: the session is unknown, and the message did not run.
 * - `possible`: a tool may have said it of its own sessions, as servers with shells or browsers do.
 * - `unexplained`: it does not mention a session, but may be about it.
 * - `alive`: it is not about the session.
 *
 * A refusal that does not name the request was made before there was a request to run.
 */
export function sessionVerdict(
  refusal: HttpStatusError,
  { id, hasSession }: Pick<RefusedMessage, "id"> & { hasSession: boolean },
): "lost" | "possible" | "unexplained" | "alive" {
  const { status, body } = refusal;
  const answer = errorIn(body);
  const silent = hasSession && UNEXPLAINED.has(status) ? "unexplained" : "alive";
  if (answer !== undefined && namesRequest(answer, id)) {
    const code = isObject(answer.error) ? answer.error.code : undefined;
    // Some servers use an HTTP status that resembles the error.
    if (status === 404 && hasSession) return code === CODES.METHOD_NOT_FOUND.rpc ? "alive" : "possible";
    return saysLost(body) ? "possible" : silent;
  }
  if (status < 300 || isAboutSession(refusal, hasSession)) return "lost";
  return status >= 400 && saysLost(body) ? "possible" : silent;
}

/**
 * What a probe found out: `lost`: the session is lost, and the message was refused for that; `lost_otherwise`: it is
 * lost, but the message may have been refused for another reason; `alive`: it is not lost, or the server does not answer.
 */
export type SessionCheck = "lost" | "lost_otherwise" | "alive";

/** Not `ping`, which a server may answer before it is initialized. A server without tools says just that. */
const PROBE = { jsonrpc: "2.0", id: "exai-session", method: PROBE_METHOD, params: {} } as const;

/**
 * Finds out whether a session is lost with a request that has no side effects: a server that does not know the session
 * refuses that one too, and a server whose tool has used similar words does not.
 */
export class SessionProbe {
  readonly #endpoint: ServerEndpoint;
  readonly #timeoutMs: number;
  #pending: Promise<HttpStatusError | undefined> | undefined;

  constructor(endpoint: ServerEndpoint, startTimeoutMs: number) {
    this.#endpoint = endpoint;
    this.#timeoutMs = Math.min(startTimeoutMs, MAX_PROBE_MS);
  }

  /** Checks the session after `refusal`; concurrent checks share one request. */
  async check(refusal: HttpStatusError, { method = "" }: RefusedMessage): Promise<SessionCheck> {
    this.#pending ??= this.#probe().finally(() => this.#pending = undefined);
    const other = await this.#pending;
    if (other === undefined) return "alive";
    // An unexplained refusal is about the session only if everything else is refused alike.
    if (this.#verdictOf(other) === "unexplained") {
      if (other.status === refusal.status) return "lost";
      return this.#verdictOf(refusal) === "unexplained" ? "lost_otherwise" : "alive";
    }
    return fingerprint(refusal, method) === fingerprint(other, PROBE.method) ? "lost" : "lost_otherwise";
  }

  /** How the server refuses the probe; undefined when it does not. */
  async #probe(): Promise<HttpStatusError | undefined> {
    const timer = setTimeout(() => this.#endpoint.cancel(PROBE.id), this.#timeoutMs);
    let refusal: HttpStatusError | undefined;
    try {
      await this.#endpoint.post(PROBE, undefined, async (response) => {
        const text = await firstMessage(response);
        refusal = text === undefined ? undefined : sessionErrorIn(text, response);
      });
      return refusal;
    } catch (thrown) {
      if (!(thrown instanceof HttpStatusError)) return undefined;
      return this.#verdictOf(thrown) === "alive" ? undefined : thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  #verdictOf(refusal: HttpStatusError): ReturnType<typeof sessionVerdict> {
    return sessionVerdict(refusal, { id: PROBE.id, hasSession: this.#endpoint.sessionId !== undefined });
  }
}

async function firstMessage(response: Response): Promise<string | undefined> {
  const { body, headers } = response;
  if (body === null) return undefined;
  if (!/^\s*text\/event-stream\b/i.test(headers.get("content-type") ?? "")) return await response.text();
  for await (const { event, data } of eventsOf(body)) if (event === "message" && data !== "") return data;
  return undefined;
}

/** The JSON-RPC error response in `body`, well-formed or not. */
function errorIn(body: string): JsonObject | undefined {
  if (isTooDeep(body)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.method !== undefined || value.result !== undefined) return undefined;
  return value.error === undefined || value.error === null ? undefined : value;
}

function namesRequest(answer: JsonObject | undefined, id: RequestId | undefined): boolean {
  return answer !== undefined && id !== undefined &&
    (typeof answer.id === "string" || typeof answer.id === "number") && String(answer.id) === String(id);
}

function saysLost(text: string): boolean {
  const beginning = text.slice(0, MAX_REFUSAL_CHARS);
  return LOST_SESSION.some((pattern) => pattern.test(beginning));
}

/** What two refusals for one reason have in common: everything but the method and the numbers in them. */
function fingerprint({ status, body }: HttpStatusError, method: string): string {
  const error = errorIn(body)?.error;
  const text = isObject(error) ? `${error.code} ${error.message}` : body;
  return `${status} ${text.replaceAll(method, "").replace(/\d+/g, "#").trim()}`;
}
