// @ts-types="@modelcontextprotocol/sdk/client/sse"
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { ExaiError } from "../base/errors.ts";
import { retryAfterMs } from "../base/retry_after.ts";
import type { UrlServerConfig } from "../base/server_config.ts";
import { toRpcError } from "../wire/codes.ts";
import { responseTo, type RpcMessage } from "../wire/rpc.ts";
import { BoundedFetch, type Fetch } from "./bounded_fetch.ts";
import type { UpstreamTransport } from "./instance.ts";

export interface UrlTransportOptions {
  /** Largest message taken, after decompression. */
  maxMessageBytes: number;
}

/** A server behind a URL, by the transport its configuration names (MCP basic/transports). */
export function connectUrl(config: UrlServerConfig, options: UrlTransportOptions): UpstreamTransport {
  const bounded = new BoundedFetch({ server: config.title, maxBytes: options.maxMessageBytes });
  const legacy = () => sse(config, bounded.fetch);
  if (config.kind === "sse") return new UrlTransport(legacy(), bounded);
  const http = streamableHttp(config, bounded.fetch);
  return new UrlTransport(config.fallBackToSse ? new FallingBack(http, legacy) : http, bounded);
}

function streamableHttp({ url, headers }: UrlServerConfig, fetch: Fetch): UpstreamTransport {
  return new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    fetch: watchful(fetch),
  }) as UpstreamTransport;
}

function sse({ url, headers }: UrlServerConfig, fetch: Fetch): UpstreamTransport {
  return new SSEClientTransport(new URL(url), {
    requestInit: { headers },
    fetch: watchful(fetch),
  }) as UpstreamTransport;
}

/** The server is not well or asked too often, and says so with an HTTP status. */
export class UrlRefusal extends Error {
  constructor(readonly status: number, readonly retryAfterMs: number | undefined, text: string) {
    super(`it answered with HTTP status ${status}${text === "" ? "" : `: ${text}`}`);
  }
}

const MAX_REFUSAL_CHARS = 300;

/**
 * Fetches, but throws for a message that was answered with 429 or 5xx: the SDK's own error does not say how long the
 * server wants to be left alone.
 */
function watchful(fetch: Fetch): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    const { status } = response;
    if (init?.method !== "POST" || (status !== 429 && status < 500)) return response;
    const text = await response.text().catch(() => "");
    throw new UrlRefusal(status, retryAfterMs(response.headers), text.trim().slice(0, MAX_REFUSAL_CHARS));
  };
}

/** A transport of the SDK's that ends, or fails the one call concerned, when the server sends more than is taken. */
class UrlTransport implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: RpcMessage) => void;
  readonly #inner: UpstreamTransport;
  readonly #failed = Promise.withResolvers<never>();
  #end: ExaiError | undefined;

  constructor(inner: UpstreamTransport, bounded: BoundedFetch) {
    this.#inner = inner;
    this.#failed.promise.catch(() => {});
    bounded.onoverflow = (error, id) => {
      this.onerror?.(error);
      if (id === undefined) this.#fail(error);
      else this.onmessage?.(responseTo(id, { error: toRpcError(error) }));
    };
    inner.onclose = () => this.onclose?.();
    inner.onerror = (error) => this.onerror?.(error);
    inner.onmessage = (message) => this.onmessage?.(message);
  }

  async start(): Promise<void> {
    await Promise.race([this.#inner.start(), this.#failed.promise]);
  }

  async send(message: RpcMessage): Promise<void> {
    if (this.#end) throw this.#end;
    await this.#inner.send(message);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  setProtocolVersion(revision: string): void {
    this.#inner.setProtocolVersion?.(revision);
  }

  describeEnd(): string {
    return this.#end?.message ?? "it closed the connection";
  }

  #fail(error: ExaiError): void {
    this.#end = error;
    this.#failed.reject(error);
    this.#inner.close().catch(() => {});
  }
}

/**
 * Tries Streamable HTTP and goes over to SSE when the server refuses the first message with a 4xx, as servers from
 * before 2025-03-26 do (MCP basic/transports, backwards compatibility).
 */
class FallingBack implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: RpcMessage) => void;
  #current: UpstreamTransport;
  readonly #fallBack: () => UpstreamTransport;
  #settled = false;

  constructor(first: UpstreamTransport, fallBack: () => UpstreamTransport) {
    this.#current = first;
    this.#fallBack = fallBack;
  }

  async start(): Promise<void> {
    this.#listen();
    await this.#current.start();
  }

  async send(message: RpcMessage): Promise<void> {
    if (this.#settled) return await this.#current.send(message);
    try {
      await this.#current.send(message);
    } catch (thrown) {
      if (!isRefusal(thrown)) throw thrown;
      this.#current.onclose = undefined;
      await this.#current.close();
      this.#current = this.#fallBack();
      await this.start();
      await this.#current.send(message);
    }
    this.#settled = true;
  }

  async close(): Promise<void> {
    await this.#current.close();
  }

  setProtocolVersion(revision: string): void {
    this.#current.setProtocolVersion?.(revision);
  }

  #listen(): void {
    this.#current.onclose = () => this.onclose?.();
    this.#current.onerror = (error) => this.onerror?.(error);
    this.#current.onmessage = (message) => this.onmessage?.(message);
  }
}

function isRefusal(thrown: unknown): boolean {
  if (!(thrown instanceof StreamableHTTPError)) return false;
  const { code = 0 } = thrown;
  return code >= 400 && code < 500 && code !== 401 && code !== 403;
}
