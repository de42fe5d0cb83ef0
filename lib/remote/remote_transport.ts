import type { UrlServerConfig } from "../config/server_config.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import type { RequestId, RpcMessage } from "../wire/rpc.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { type HttpStatusError, SessionLostError } from "./http_errors.ts";
import { MessageReader } from "./message_reader.ts";
import { ServerEndpoint } from "./server_endpoint.ts";

/** What the transports of servers behind a URL share. */
export abstract class RemoteTransport implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: UpstreamTransport["onmessage"];
  onlost?: (why: string) => void;
  onresumed?: () => void;
  protected readonly endpoint: ServerEndpoint;
  protected readonly reader: MessageReader;
  protected isLost = false;
  /** Why the connection has ended, if not by {@linkcode close}. */
  protected endReason: string | undefined;

  constructor(config: UrlServerConfig, fetch: ServerFetch) {
    this.endpoint = new ServerEndpoint(config, fetch);
    this.reader = new MessageReader({
      server: config.title,
      onMessage: (message, about) => this.receive(message, about),
      onRefused: (answer) => void this.send(answer).catch(() => {}),
      onError: (error) => this.onerror?.(error),
    });
  }

  abstract start(): Promise<void>;
  abstract send(message: RpcMessage): Promise<void>;
  abstract close(): Promise<void>;

  setProtocolVersion(revision: string): void {
    this.endpoint.revision = revision;
  }

  describeEnd(): string {
    return this.endReason ?? "it was stopped";
  }

  /** @param about the request in whose response the message came */
  protected receive(message: RpcMessage, about?: RequestId): void {
    this.onmessage?.(message, { about });
  }

  /** Reports once that the server does not know the session. Requests under way may still be answered. */
  protected lose(refusal: HttpStatusError): SessionLostError {
    const error = new SessionLostError(refusal);
    if (!this.isLost) this.onlost?.(error.message);
    this.isLost = true;
    return error;
  }
}
