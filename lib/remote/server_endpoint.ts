// @ts-types="@modelcontextprotocol/sdk/shared/transport"
import { fetchWithinOrigin, unfollowedRedirect } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { UrlServerConfig } from "../config/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { isRequest, type RequestId, type RpcMessage } from "../wire/rpc.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { fetchFailure, HttpStatusError, StreamTimeoutError } from "./errors.ts";

/** How long the server may take to accept what wants no answer. */
const ACCEPT_MS = 30 * SECOND_MS;

/** How long a request stays open after nobody needs its answer any more. */
const AFTERWORD_MS = 5 * SECOND_MS;

type EndpointConfig = Pick<UrlServerConfig, "url" | "headers" | "startTimeoutMs">;

/** One HTTP request. */
interface UrlRequest {
  url?: string | URL;
  method?: string;
  headers?: Record<string, string | undefined>;
  body?: string;
  signal: AbortSignal;
}

/** Makes the HTTP requests of one server, and can end each of them. */
export class ServerEndpoint {
  /** Sent with every request, once known. */
  sessionId: string | undefined;
  revision: string | undefined;
  readonly #config: EndpointConfig;
  readonly #fetch: ServerFetch;
  readonly #open = new Set<AbortController>();
  readonly #byId = new Map<RequestId, AbortController>();
  /** What ends requests that are still open although nobody needs their answers. */
  readonly #afterwords = new Map<RequestId, ReturnType<typeof setTimeout>>();

  constructor(config: EndpointConfig, fetch: ServerFetch) {
    this.#config = config;
    // Follows redirects within the origin only, five at most, so that our headers reach nobody else.
    this.#fetch = fetchWithinOrigin(fetch);
  }

  get url(): URL {
    return new URL(this.#config.url);
  }

  /**
   * Makes a request.
   *
   * @throws {HttpStatusError} the server refused it; {@linkcode AnswerCut} it may have had it and did not answer
   */
  async fetch({ url = this.url, method = "GET", headers = {}, body, signal }: UrlRequest): Promise<Response> {
    const init = { method, headers: this.#headers(headers), body, signal };
    const response = await this.#fetch(url, init).catch((thrown) => {
      throw fetchFailure(thrown);
    });
    if (response.ok) return response;
    const redirect = unfollowedRedirect(response, url);
    if (redirect !== undefined) {
      await response.body?.cancel();
      throw new HttpStatusError(response, redirect);
    }
    throw new HttpStatusError(response, await response.text().catch(() => ""));
  }

  /**
   * Opens a stream of events. What bounds it is when it begins: it may then be silent for as long as it likes.
   *
   * @throws {StreamTimeoutError} its headers did not come in time; the errors of {@linkcode fetch}
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

  /** Posts `message`, and hands the answer on while the request can still be ended by {@linkcode cancel}. */
  async post(
    message: RpcMessage,
    url: string | URL | undefined,
    take: (response: Response, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const id = isRequest(message) ? message.id : undefined;
    const controller = this.#begin();
    if (id !== undefined) this.#byId.set(id, controller);
    // Whoever waits for the answer to a request ends it in time.
    const timer = id === undefined ? setTimeout(() => controller.abort(), ACCEPT_MS) : undefined;
    try {
      const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      const { signal } = controller;
      const body = JSON.stringify(message);
      await take(await this.fetch({ url, method: "POST", headers, body, signal }), signal);
    } finally {
      clearTimeout(timer);
      this.#open.delete(controller);
      if (id !== undefined && this.#byId.get(id) === controller) this.#forget(id);
    }
  }

  /** Nobody waits for the answer to `id` any more. */
  cancel(id: unknown): void {
    this.#byId.get(id as RequestId)?.abort();
  }

  /** The same; its request is given a moment to end by itself. */
  cancelSoon(id: unknown): void {
    const own = id as RequestId;
    if (!this.#byId.has(own) || this.#afterwords.has(own)) return;
    this.#afterwords.set(own, setTimeout(() => this.cancel(own), AFTERWORD_MS));
  }

  #forget(id: RequestId): void {
    this.#byId.delete(id);
    clearTimeout(this.#afterwords.get(id));
    this.#afterwords.delete(id);
  }

  /** A signal that {@linkcode close} aborts. */
  signal(): AbortSignal {
    return this.#begin().signal;
  }

  /** Ends every request. */
  close(): void {
    for (const controller of this.#open) controller.abort();
    this.#open.clear();
  }

  #begin(): AbortController {
    const controller = new AbortController();
    this.#open.add(controller);
    return controller;
  }

  #headers(more: Record<string, string | undefined>): Headers {
    const all = { "mcp-session-id": this.sessionId, "mcp-protocol-version": this.revision, ...more };
    const headers = new Headers();
    for (const [name, value] of Object.entries(all)) if (value !== undefined) headers.set(name, value);
    for (const [name, value] of Object.entries(this.#config.headers)) headers.set(name, value);
    return headers;
  }
}

/** The request `message` withdraws, if it does withdraw one. */
export function withdrawnBy(message: RpcMessage): unknown {
  return "method" in message && !("id" in message) && message.method === "notifications/cancelled"
    ? message.params?.requestId
    : undefined;
}
