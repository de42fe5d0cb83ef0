import { ExaiError, messageOf } from "../base/errors.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { RpcMessage } from "../wire/rpc.ts";
import { BoundedFetch } from "./bounded_fetch.ts";
import { isAboutRevision } from "../wire/mcp.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import { HttpStatusError } from "./http_errors.ts";
import { LegacySse } from "./legacy_sse.ts";
import { StreamableHttp } from "./streamable_http.ts";

interface UrlTransportOptions {
  /** Largest message accepted, in bytes after decompression. */
  maxMessageBytes: number;
}

/** The transport of a server behind a URL, of the kind its configuration names (MCP basic/transports). */
export function connectUrl(config: UrlServerConfig, options: UrlTransportOptions): UpstreamTransport {
  const { fetch } = new BoundedFetch({ server: config.title, maxBytes: options.maxMessageBytes });
  if (config.kind === "sse") return new LegacySse(config, fetch);
  const http = new StreamableHttp(config, fetch);
  return config.fallBackToSse ? new SseFallback(http, () => new LegacySse(config, fetch)) : http;
}

type RemoteConnection =
  & UpstreamTransport
  & Required<Pick<UpstreamTransport, "describeEnd" | "setProtocolVersion">>;

/**
 * Tries Streamable HTTP, and falls back to SSE when the server refuses the first message with a 4xx, as
 * servers from before 2025-03-26 do (MCP basic/transports, backwards compatibility).
 */
class SseFallback implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: UpstreamTransport["onmessage"];
  onlost?: (why: string) => void;
  onresumed?: () => void;
  #current: RemoteConnection;
  readonly #fallBack: () => RemoteConnection;
  #isSettled = false;
  #isClosed = false;

  constructor(first: RemoteConnection, fallBack: () => RemoteConnection) {
    this.#current = first;
    this.#fallBack = fallBack;
  }

  get listening(): string | undefined {
    return this.#current.listening;
  }

  async start(): Promise<void> {
    this.#forward();
    await this.#current.start();
  }

  async send(message: RpcMessage): Promise<void> {
    if (this.#isSettled) return await this.#current.send(message);
    try {
      await this.#current.send(message);
    } catch (thrown) {
      if (this.#isClosed || !isOlderTransport(thrown)) throw thrown;
      await this.#switchToSse(message, thrown);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#current.close();
  }

  describeEnd(): string {
    return this.#current.describeEnd();
  }

  setProtocolVersion(revision: string): void {
    this.#current.setProtocolVersion(revision);
  }

  async #switchToSse(message: RpcMessage, refusal: HttpStatusError): Promise<void> {
    const first = this.#current;
    first.onclose = undefined;
    await first.close();
    this.#current = this.#fallBack();
    try {
      this.#forward();
      await this.#current.start();
    } catch (thrown) {
      if (thrown instanceof ExaiError) throw thrown;
      // The user meant one of the two transports.
      throw new Error(`${refusal.message}; as a server of the older HTTP with SSE: ${messageOf(thrown)}`, {
        cause: refusal,
      });
    }
    await this.#current.send(message);
  }

  #forward(): void {
    this.#current.onclose = () => this.onclose?.();
    this.#current.onerror = (error) => this.onerror?.(error);
    this.#current.onmessage = (message, extra) => {
      this.#isSettled = true;
      this.onmessage?.(message, extra);
    };
    this.#current.onlost = (why) => this.onlost?.(why);
    this.#current.onresumed = () => this.onresumed?.();
  }
}

/** Whether a server refuses Streamable HTTP itself, and not the message. */
function isOlderTransport(thrown: unknown): thrown is HttpStatusError {
  if (!(thrown instanceof HttpStatusError)) return false;
  const { status, body } = thrown;
  if (status < 400 || status >= 500 || isAboutRevision(body)) return false;
  return status !== 401 && status !== 403 && status !== 408 && status !== 429;
}
