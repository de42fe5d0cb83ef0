// @ts-types="@modelcontextprotocol/sdk/shared/transport"
import { fetchWithinOrigin, unfollowedRedirect } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { UrlServerConfig } from "../config/server_config.ts";
import { untilAborted } from "../base/abort.ts";
import { writeRecords } from "../base/turn_end.ts";
import { SECOND_MS } from "../base/units.ts";
import { isRequest, isRequestId, type RequestId, type RpcMessage } from "../wire/rpc.ts";
import { sentText } from "../wire/text_request.ts";
import type { AuthorizationRefusal, ServerAuthorization } from "./authorization.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { fetchError, HttpStatusError, StreamTimeoutError } from "./http_errors.ts";

/** How long the server may take to accept a notification or a response. */
const ACCEPT_MS = 30 * SECOND_MS;

/** How long a request stays open after its answer is no longer needed. */
const LINGER_MS = 5 * SECOND_MS;

/** How often a request is sent again because what authorizes it was renewed. */
const MAX_RENEWALS = 2;

type EndpointConfig = Pick<UrlServerConfig, "url" | "headers" | "startTimeoutMs">;

interface UrlRequest {
  url?: string | URL;
  method?: string;
  headers?: Record<string, string | undefined>;
  body?: string;
  signal: AbortSignal;
}

interface EndpointParts {
  fetch: ServerFetch;
  /** Left out where nothing but the configured headers authorizes requests. */
  authorization?: ServerAuthorization;
}

/** Makes the HTTP requests to one server, and can abort each of them. */
export class ServerEndpoint {
  /** Sent with every request, once known. */
  sessionId: string | undefined;
  revision: string | undefined;
  readonly #config: EndpointConfig;
  readonly #fetch: ServerFetch;
  readonly #authorization: ServerAuthorization | undefined;
  readonly #open = new Set<AbortController>();
  readonly #byRequest = new Map<RequestId, AbortController>();
  /** Timers that abort requests whose answers are no longer needed. */
  readonly #lingering = new Map<RequestId, ReturnType<typeof setTimeout>>();

  constructor(config: EndpointConfig, { fetch, authorization }: EndpointParts) {
    this.#config = config;
    this.#authorization = authorization;
    // Follows up to five redirects within the origin only: the configured headers reach no other host.
    this.#fetch = fetchWithinOrigin(fetch);
  }

  get url(): URL {
    return new URL(this.#config.url);
  }

  /**
   * Makes a request; once more where it was refused for want of authorization, and that could be renewed.
   *
   * @throws {HttpStatusError} the server refused it
   * @throws {ResponseCutError} the server may have received it and did not answer
   * @throws {ExaiError} as {@linkcode ServerAuthorization.refused}
   */
  async fetch(request: UrlRequest): Promise<Response> {
    const { url = this.url, method = "GET", signal } = request;
    for (let renewals = 0;; renewals++) {
      const sent = this.#authorization
        ? await untilAborted(this.#authorization.headersFor({ method, url: new URL(url) }), signal)
        : {};
      const response = await this.#request(request, sent);
      if (response.ok) return response;
      const refusal = await refusalOf(response, url);
      // At the end of a session nobody signs in for it.
      const isFinal = renewals === MAX_RENEWALS || method === "DELETE";
      const about = isFinal ? undefined : authorizationRefusal(response, sent);
      if (!about || !await this.#authorization?.refused(about, signal)) throw refusal;
    }
  }

  async #request(
    { url = this.url, method = "GET", headers = {}, body, signal }: UrlRequest,
    authorization: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const init = { method, headers: this.#headers(headers, authorization), body, signal };
    writeRecords();
    return await this.#fetch(url, init).catch((thrown) => {
      throw fetchError(thrown);
    });
  }

  /**
   * Opens an event stream. The time-out covers its headers; afterwards it may be silent for any time.
   *
   * @throws {StreamTimeoutError} its headers did not come in time; otherwise as {@linkcode fetch}
   */
  async openStream(lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers = { accept: "text/event-stream", "last-event-id": lastEventId };
    const late = new AbortController();
    const { startTimeoutMs } = this.#config;
    const timer = setTimeout(() => late.abort(new StreamTimeoutError(startTimeoutMs)), startTimeoutMs);
    try {
      return await this.fetch({ headers, signal: AbortSignal.any([signal, late.signal]) });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Posts `message` and passes the response to `take`, during which {@linkcode cancel} can still abort it. */
  async post(
    message: RpcMessage,
    url: string | URL | undefined,
    take: (response: Response, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await this.during(message, async (signal) => {
      await take(await this.postOnce(message, { url, signal }), signal);
    });
  }

  /** Posts `message` and returns the response; throws as {@linkcode fetch}. */
  async postOnce(
    message: RpcMessage,
    { headers, ...rest }: Pick<UrlRequest, "url" | "headers" | "signal">,
  ): Promise<Response> {
    const both = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    };
    return await this.fetch({ ...rest, method: "POST", headers: both, body: sentText(message) });
  }

  /** Runs `work` for `message`, with a signal that {@linkcode cancel} aborts by its id. */
  async during(message: RpcMessage, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const id = isRequest(message) ? message.id : undefined;
    const controller = this.#begin();
    if (id !== undefined) this.#byRequest.set(id, controller);
    // Requests have a time-out where they are made.
    const timer = id === undefined ? setTimeout(() => controller.abort(), ACCEPT_MS) : undefined;
    try {
      await work(controller.signal);
    } finally {
      clearTimeout(timer);
      this.#open.delete(controller);
      if (id !== undefined && this.#byRequest.get(id) === controller) this.#release(id);
    }
  }

  /** Aborts the request `id`, if it is open. */
  cancel(id: RequestId): void {
    this.#byRequest.get(id)?.abort();
  }

  /** Aborts the request `id` unless it ends by itself within a few seconds. */
  cancelSoon(id: RequestId): void {
    if (!this.#byRequest.has(id) || this.#lingering.has(id)) return;
    this.#lingering.set(id, setTimeout(() => this.cancel(id), LINGER_MS));
  }

  #release(id: RequestId): void {
    this.#byRequest.delete(id);
    clearTimeout(this.#lingering.get(id));
    this.#lingering.delete(id);
  }

  /** A signal that {@linkcode close} aborts. */
  signal(): AbortSignal {
    return this.#begin().signal;
  }

  /** Aborts every request. */
  close(): void {
    for (const controller of this.#open) controller.abort();
    this.#open.clear();
  }

  #begin(): AbortController {
    const controller = new AbortController();
    this.#open.add(controller);
    return controller;
  }

  /** What authorizes a request goes before the configured headers, and those before the ones of MCP. */
  #headers(
    extra: Record<string, string | undefined>,
    authorization: Readonly<Record<string, string>>,
  ): Headers {
    const all = { "mcp-session-id": this.sessionId, "mcp-protocol-version": this.revision, ...extra };
    const headers = new Headers();
    for (const [name, value] of Object.entries(all)) if (value !== undefined) headers.set(name, value);
    for (const [name, value] of Object.entries(this.#config.headers)) headers.set(name, value);
    for (const [name, value] of Object.entries(authorization)) headers.set(name, value);
    return headers;
  }
}

async function refusalOf(response: Response, url: string | URL): Promise<HttpStatusError> {
  const redirect = unfollowedRedirect(response, url);
  if (redirect === undefined) return new HttpStatusError(response, await response.text().catch(() => ""));
  await response.body?.cancel();
  return new HttpStatusError(response, redirect);
}

/** What a refusal says of authorization; a 403 without a challenge of that kind is about something else (RFC 6750, 3.1). */
function authorizationRefusal(
  { status, headers }: Response,
  sent: AuthorizationRefusal["sent"],
): AuthorizationRefusal | undefined {
  const challenge = headers.get("www-authenticate");
  if (status === 401) return { status, challenge, sent };
  return status === 403 && /\binsufficient_scope\b/.test(challenge ?? "")
    ? { status, challenge, sent }
    : undefined;
}

/** The id of the request that `message` cancels, if it is a cancellation. */
export function cancelledRequest(message: RpcMessage): RequestId | undefined {
  if (!("method" in message) || "id" in message || message.method !== "notifications/cancelled") {
    return undefined;
  }
  const id = message.params?.requestId;
  return isRequestId(id) ? id : undefined;
}
