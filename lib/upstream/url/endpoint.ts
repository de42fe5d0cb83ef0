// @ts-types="@modelcontextprotocol/sdk/shared/transport"
import { fetchWithinOrigin, unfollowedRedirect } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { UrlServerConfig } from "../../base/server_config.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { RequestId, RpcMessage } from "../../wire/rpc.ts";
import type { Fetch } from "../bounded_fetch.ts";
import { fetchFailure, UrlRefusal } from "./failures.ts";

/** How long the server may take to accept what wants no answer. */
const ACCEPT_MS = 30 * SECOND_MS;

/** One HTTP request. */
export interface UrlRequest {
  url?: string | URL;
  method?: string;
  headers?: Record<string, string | undefined>;
  body?: string;
  signal: AbortSignal;
}

/** Makes the HTTP requests of one server, and can end each of them. */
export class Endpoint {
  /** Sent with every request, once known. */
  sessionId: string | undefined;
  revision: string | undefined;
  readonly #config: Pick<UrlServerConfig, "url" | "headers">;
  readonly #fetch: Fetch;
  readonly #open = new Set<AbortController>();
  readonly #byId = new Map<RequestId, AbortController>();

  constructor(config: Pick<UrlServerConfig, "url" | "headers">, fetch: Fetch) {
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
   * @throws {UrlRefusal} the server refused it; {@linkcode AnswerCut} it may have had it and did not answer
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
      throw new UrlRefusal(response, redirect);
    }
    throw new UrlRefusal(response, await response.text().catch(() => ""));
  }

  /** Posts `message`, and hands the answer on while the request can still be ended by {@linkcode cancel}. */
  async post(
    message: RpcMessage,
    url: string | URL | undefined,
    take: (response: Response, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const id = "method" in message && "id" in message ? message.id : undefined;
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
      if (id !== undefined && this.#byId.get(id) === controller) this.#byId.delete(id);
    }
  }

  /** Nobody waits for the answer to `id` any more. */
  cancel(id: unknown): void {
    this.#byId.get(id as RequestId)?.abort();
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
