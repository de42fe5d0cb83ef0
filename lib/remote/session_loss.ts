import { isObject, type JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { RequestId } from "../wire/rpc.ts";
import { isTooDeep } from "../wire/shape.ts";
import type { ServerEndpoint } from "./server_endpoint.ts";
import { eventsOf } from "./server_events.ts";
import { HttpStatusError, isAboutSession } from "./errors.ts";
import { PROBE_METHOD } from "./unsaid_losses.ts";

const METHOD_NOT_FOUND = -32601;
/** A refusal is a sentence; what is longer is an answer. */
const MAX_REFUSAL_CHARS = 4096;
const MAX_PROBE_MS = 10 * SECOND_MS;

/** The words of servers that do not know a session. */
const SAYS_LOST: readonly RegExp[] = [
  /session[^.]{0,80}\b(?:not found|unknown|expired|invalid|not valid|not exist|n't exist|no longer|gone|terminated|closed|lost|missing|required|not recogni[sz]ed|timed out)\b/i,
  /\b(?:unknown|invalid|expired|missing|stale|terminated|no|not find|not recogni[sz]ed?)\b[^.]{0,30}\bsession/i,
  /SessionNotFound|SessionExpired|mcp-session-id/i,
  /\bnot (?:been |yet )?initiali[sz]ed\b|before initiali[sz]ation|\bre-?initiali[sz]e\b/i,
];

/** HTTP statuses some servers have for a session they do not know, without a word of it; 404 says it by itself. */
const UNSAID: ReadonlySet<number> = new Set([400, 401, 409, 410, 412, 422, 440]);

/** The message a refusal is of. */
export interface Refused {
  id: RequestId | undefined;
  method: string | undefined;
}

/** `text` as a refusal, where the body of an answer with HTTP status 200 says in it that the session is not known. */
export function refusalIn(text: string, response: Response): HttpStatusError | undefined {
  if (text.length > MAX_REFUSAL_CHARS || !text.includes('"error"') || !saysLost(text)) return undefined;
  return errorIn(text) === undefined ? undefined : new HttpStatusError(response, text);
}

/** Whether the refusal is the server's own answer to the request, and says nothing of the session. */
export function isOwnAnswer({ status, body }: HttpStatusError, { id }: Refused): boolean {
  return (status === 404 || status < 300) && namesRequest(errorIn(body), id);
}

/**
 * What a refusal means for the session: `lost`, and the message did not run; `perhaps`: a tool may have said it of
 * something of its own, as servers that keep shells or browsers do; `unsaid`: it says nothing of a session, and may be
 * about it all the same. A refusal that does not name the request was made before there was a request to run.
 */
export function sessionVerdict(
  refusal: HttpStatusError,
  { id, hasSession }: Pick<Refused, "id"> & { hasSession: boolean },
): "lost" | "perhaps" | "unsaid" | "kept" {
  const { status, body } = refusal;
  const answer = errorIn(body);
  const unsaid = hasSession && UNSAID.has(status) ? "unsaid" : "kept";
  if (namesRequest(answer, id)) {
    const { error } = answer!;
    const code = isObject(error) ? error.code : undefined;
    // Some servers answer with an HTTP status that looks like the error.
    if (status === 404 && hasSession) return code === METHOD_NOT_FOUND ? "kept" : "perhaps";
    return saysLost(body) ? "perhaps" : unsaid;
  }
  if (status < 300 || isAboutSession(refusal, hasSession)) return "lost";
  return status >= 400 && saysLost(body) ? "perhaps" : unsaid;
}

/**
 * What was found out of a session. `same`: it is lost, and the message was refused for that; `lost`: it is, but the
 * message may have been refused for something else; `kept`: it is not, or the server does not answer.
 */
export type SessionCheck = "same" | "lost" | "kept";

/**
 * Finds out whether a session is lost by asking for something that harms nobody: a server that does not know it refuses
 * that too, and one whose tool has said something alike does not.
 */
export class SessionProbe {
  readonly #endpoint: ServerEndpoint;
  readonly #timeoutMs: number;
  #asking: Promise<HttpStatusError | undefined> | undefined;

  constructor(endpoint: ServerEndpoint, startTimeoutMs: number) {
    this.#endpoint = endpoint;
    this.#timeoutMs = Math.min(startTimeoutMs, MAX_PROBE_MS);
  }

  /** Asks, once for all who want to know it now. */
  async look(refusal: HttpStatusError, { method = "" }: Refused): Promise<SessionCheck> {
    this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
    const other = await this.#asking;
    if (other === undefined) return "kept";
    // Such a refusal need not be about the session: it is where all else is refused alike.
    if (this.#verdictOf(other) === "unsaid") {
      if (other.status === refusal.status) return "same";
      return this.#verdictOf(refusal) === "unsaid" ? "lost" : "kept";
    }
    return likeness(refusal, method) === likeness(other, PROBE.method) ? "same" : "lost";
  }

  async #ask(): Promise<HttpStatusError | undefined> {
    const timer = setTimeout(() => this.#endpoint.cancel(PROBE.id), this.#timeoutMs);
    let refusal: HttpStatusError | undefined;
    try {
      await this.#endpoint.post(PROBE, undefined, async (response) => {
        const text = await firstMessage(response);
        refusal = text === undefined ? undefined : refusalIn(text, response);
      });
      return refusal;
    } catch (thrown) {
      if (!(thrown instanceof HttpStatusError)) return undefined;
      return this.#verdictOf(thrown) === "kept" ? undefined : thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  #verdictOf(refusal: HttpStatusError): ReturnType<typeof sessionVerdict> {
    return sessionVerdict(refusal, { id: PROBE.id, hasSession: this.#endpoint.sessionId !== undefined });
  }
}

/** Before it was initialized a server may answer `ping`, but no list; one without tools says just that. */
const PROBE = { jsonrpc: "2.0", id: "exai-session", method: PROBE_METHOD, params: {} } as const;

async function firstMessage(response: Response): Promise<string | undefined> {
  const { body, headers } = response;
  if (body === null) return undefined;
  if (!/^\s*text\/event-stream\b/i.test(headers.get("content-type") ?? "")) return await response.text();
  for await (const { event, data } of eventsOf(body)) if (event === "message" && data !== "") return data;
  return undefined;
}

/** The answer in `body` that is an error, well-formed or not. */
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
  return SAYS_LOST.some((words) => words.test(beginning));
}

/** What two refusals for one reason have in common: not the method and the ids in them. */
function likeness({ status, body }: HttpStatusError, method: string): string {
  const error = errorIn(body)?.error;
  const said = isObject(error) ? `${error.code} ${error.message}` : body;
  return `${status} ${said.replaceAll(method, "").replace(/\d+/g, "#").trim()}`;
}
