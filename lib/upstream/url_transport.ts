// @ts-types="@modelcontextprotocol/sdk/client/sse"
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { retryAfterMs } from "../base/retry_after.ts";
import type { UrlServerConfig } from "../base/server_config.ts";
import type { RpcMessage } from "../wire/rpc.ts";
import type { UpstreamTransport } from "./instance.ts";

/** A server behind a URL, by the transport its configuration names (MCP basic/transports). */
export function connectUrl(config: UrlServerConfig): UpstreamTransport {
  if (config.kind === "sse") return sse(config);
  const http = streamableHttp(config);
  return config.fallBackToSse ? new FallingBack(http, () => sse(config)) : http;
}

function streamableHttp({ url, headers }: UrlServerConfig): UpstreamTransport {
  return new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    fetch: watchfulFetch,
  }) as UpstreamTransport;
}

function sse({ url, headers }: UrlServerConfig): UpstreamTransport {
  return new SSEClientTransport(new URL(url), {
    requestInit: { headers },
    fetch: watchfulFetch,
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
async function watchfulFetch(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const { status } = response;
  if (init?.method !== "POST" || (status !== 429 && status < 500)) return response;
  const text = await response.text().catch(() => "");
  throw new UrlRefusal(status, retryAfterMs(response.headers), text.trim().slice(0, MAX_REFUSAL_CHARS));
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
