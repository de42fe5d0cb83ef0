import { ExaiError, messageOf } from "../base/errors.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import { isAboutRevision } from "../wire/mcp.ts";
import type { RequestId, RpcMessage } from "../wire/rpc.ts";
import type { ServerAuthorization } from "./authorization.ts";
import { BoundedFetch } from "./bounded_fetch.ts";
import { isAboutEra, isModernRefusal } from "./era_refusals.ts";
import { HttpStatusError, ModernOnlyError, NoTransportError } from "./http_errors.ts";
import { LegacySse } from "./legacy_sse.ts";
import { StatelessHttp } from "./stateless_http.ts";
import type { RemoteTransport } from "./remote_transport.ts";
import { StreamableHttp } from "./streamable_http.ts";

interface UrlTransportOptions {
  /** Largest message accepted, in bytes after decompression. */
  maxMessageBytes: number;
  /** What authorizes the requests beside the configured headers. */
  authorization?: ServerAuthorization;
}

/** The transport of a server behind a URL, of the kind its configuration names (MCP basic/transports). */
export function connectUrl(config: UrlServerConfig, options: UrlTransportOptions): UpstreamTransport {
  const { fetch } = new BoundedFetch({ server: config.title, maxBytes: options.maxMessageBytes });
  const { authorization } = options;
  const sse = () => new LegacySse(config, fetch, authorization);
  if (config.kind === "sse") return sse();
  return new HttpTransport(new StatelessHttp(config, fetch, authorization), {
    streamable: () => new StreamableHttp(config, fetch, authorization),
    sse: config.fallBackToSse ? sse : undefined,
  });
}

interface OlderTransports {
  streamable(): StreamableHttp;
  /** Left out where the configuration names Streamable HTTP. */
  sse?(): LegacySse;
}

/**
 * Speaks as the server turns out to: in the modern era until `initialize` is sent, which only the legacy era has. From
 * then on it is Streamable HTTP with sessions, and falls back to SSE when the server refuses the first message with a
 * 4xx, as servers from before 2025-03-26 do (MCP basic/transports, backwards compatibility).
 */
class HttpTransport implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: UpstreamTransport["onmessage"];
  onlost?: (why: string) => void;
  onresumed?: () => void;
  #current: RemoteTransport;
  readonly #older: OlderTransports;
  #isSettled = false;
  #isClosed = false;

  constructor(modern: StatelessHttp, older: OlderTransports) {
    this.#current = modern;
    this.#older = older;
    this.#forward();
  }

  get listening(): string | undefined {
    return this.#current instanceof StreamableHttp ? this.#current.listening : undefined;
  }

  async start(): Promise<void> {
    await this.#current.start();
  }

  async send(message: RpcMessage): Promise<void> {
    const isFirst = "method" in message && message.method === "initialize";
    if (isFirst && !this.#isClosed && this.#current instanceof StatelessHttp) {
      await this.#change(this.#older.streamable());
    }
    try {
      await this.#current.send(message);
    } catch (thrown) {
      if (!isFirst || this.#isSettled || this.#isClosed || !(thrown instanceof HttpStatusError)) throw thrown;
      await this.#sendOverSse(message, thrown);
    }
  }

  withdraw(id: RequestId): void {
    if (this.#current instanceof StatelessHttp) this.#current.withdraw(id);
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

  /** Sends `message` as servers of the older transport want it, if `refusal` may be that of one. */
  async #sendOverSse(message: RpcMessage, refusal: HttpStatusError): Promise<void> {
    if (isModernRefusal(refusal)) throw new ModernOnlyError(refusal);
    const { sse } = this.#older;
    if (!sse || !isAboutEra(refusal) || isAboutRevision(refusal.body)) throw refusal;
    try {
      await this.#change(sse());
    } catch (thrown) {
      if (thrown instanceof ExaiError) throw thrown;
      throw new NoTransportError(refusal, messageOf(thrown));
    }
    await this.#current.send(message);
  }

  async #change(next: RemoteTransport): Promise<void> {
    const before = this.#current;
    before.onclose = undefined;
    await before.close();
    this.#isSettled = false;
    this.#current = next;
    this.#forward();
    await next.start();
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
