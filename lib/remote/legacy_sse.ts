import type { UrlServerConfig } from "../config/server_config.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { mintedId, type RequestId, type RpcMessage } from "../wire/rpc.ts";
import type { ServerAuthorization } from "./authorization.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { HttpStatusError, isAboutSession } from "./http_errors.ts";
import { RemoteTransport } from "./remote_transport.ts";
import { cancelledRequest } from "./server_endpoint.ts";
import { eventsOf, type ServerEvent } from "./server_events.ts";

/**
 * HTTP with SSE, the transport before revision 2025-03-26. The SDK's own transport reopens a stream that has ended: the
 * server takes it for another client, which never initializes, and refuses everything. Here the connection ends with
 * its stream.
 */
export class LegacySse extends RemoteTransport {
  readonly #ready = Promise.withResolvers<void>();
  /** Where messages are posted, once the server has said so. */
  #messages: URL | undefined;
  #isClosed = false;

  constructor(config: UrlServerConfig, fetch: ServerFetch, authorization?: ServerAuthorization) {
    super(config, fetch, authorization);
    this.#ready.promise.catch(() => {});
  }

  /** Settles when the server has said where messages are posted. */
  async start(): Promise<void> {
    const signal = this.endpoint.signal();
    const response = await this.endpoint.fetch({ headers: { accept: "text/event-stream" }, signal });
    const type = response.headers.get("content-type") ?? "";
    if (response.body === null || !/^\s*text\/event-stream\b/i.test(type)) {
      await response.body?.cancel();
      throw new Error(`it answered with no event stream but ${type === "" ? "nothing" : type}`);
    }
    void this.#read(response.body, signal);
    await this.#ready.promise;
  }

  /**
   * Posts `message`; its answer comes on the stream.
   *
   * @throws {SessionLostError} it did not run
   * @throws {HttpStatusError} any other refusal
   */
  async send(message: RpcMessage): Promise<void> {
    if (this.#isClosed || !this.#messages) throw new Error(this.describeEnd());
    const cancelled = cancelledRequest(message);
    if (cancelled !== undefined) this.endpoint.cancelSoon(cancelled);
    try {
      await this.endpoint.post(message, this.#messages, async (response) => await response.body?.cancel());
    } catch (thrown) {
      if (!(thrown instanceof HttpStatusError) || !isAboutSession(thrown, true)) throw thrown;
      throw this.lose(thrown);
    }
    if (cancelled !== undefined) this.endpoint.cancel(cancelled);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.endpoint.close();
      this.#ready.reject(new Error(this.describeEnd()));
      this.onclose?.();
    }
    return Promise.resolve();
  }

  protected override receive(message: RpcMessage, about?: RequestId): void {
    // The answer came on the stream: the response to its POST is of no more use.
    if (!("method" in message) && message.id !== null) this.endpoint.cancelSoon(mintedId(message.id));
    super.receive(message, about);
  }

  async #read(body: NonNullable<Response["body"]>, signal: AbortSignal): Promise<void> {
    let why = "its event stream ended";
    try {
      for await (const event of eventsOf(body, { signal })) {
        const taken = this.#take(event);
        if (typeof taken !== "boolean") await taken;
      }
    } catch (thrown) {
      why = thrown instanceof ExaiError ? thrown.message : `its event stream was cut (${messageOf(thrown)})`;
    }
    if (this.#isClosed) return;
    this.endReason = why;
    await this.close();
  }

  #take({ event, data }: ServerEvent): boolean | Promise<boolean> {
    if (event === "endpoint") this.#setEndpoint(data);
    return event === "message" && data !== "" ? this.reader.take(data) : false;
  }

  #setEndpoint(endpoint: string): void {
    const { url } = this.endpoint;
    if (!URL.canParse(endpoint, url)) throw new Error(`its endpoint ${JSON.stringify(endpoint)} is no URL`);
    const messages = new URL(endpoint, url);
    // The configured headers are for this origin alone.
    if (messages.origin !== url.origin) {
      throw new Error(`its endpoint is at another origin, ${messages.origin}`);
    }
    this.#messages = messages;
    this.#ready.resolve();
  }
}
