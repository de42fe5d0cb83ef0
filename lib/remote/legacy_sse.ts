import type { UrlServerConfig } from "../config/server_config.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { mintedId, type RpcMessage } from "../wire/rpc.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import { ServerEndpoint, withdrawnBy } from "./server_endpoint.ts";
import { eventsOf, type ServerEvent } from "./server_events.ts";
import { HttpStatusError, isAboutSession, SessionLostError } from "./errors.ts";
import { MessageReader } from "./message_reader.ts";

/**
 * HTTP with SSE, as it was before revision 2025-03-26. The SDK's own transport opens a stream that has ended again by
 * itself: the server takes it for another client, which never initializes, and refuses everything. Here the connection
 * is over with its stream, and whoever needs it makes another.
 */
export class LegacySse implements UpstreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: RpcMessage) => void;
  onlost?: (why: string) => void;
  readonly #endpoint: ServerEndpoint;
  readonly #reader: MessageReader;
  readonly #ready = Promise.withResolvers<void>();
  #messages: URL | undefined;
  #isLost = false;
  #isClosed = false;
  #end: string | undefined;

  constructor(config: UrlServerConfig, fetch: ServerFetch) {
    this.#endpoint = new ServerEndpoint(config, fetch);
    this.#ready.promise.catch(() => {});
    this.#reader = new MessageReader({
      server: config.title,
      onmessage: (message) => {
        // The answer has come here: whatever its request waits for, nobody needs it.
        if (!("method" in message) && message.id !== null) this.#endpoint.cancelSoon(mintedId(message.id));
        this.onmessage?.(message);
      },
      onrefused: (answer) => void this.send(answer).catch(() => {}),
      onerror: (error) => this.onerror?.(error),
    });
  }

  /** Settles when the server has said where messages go. */
  async start(): Promise<void> {
    const signal = this.#endpoint.signal();
    const response = await this.#endpoint.fetch({ headers: { accept: "text/event-stream" }, signal });
    const type = response.headers.get("content-type") ?? "";
    if (response.body === null || !/^\s*text\/event-stream\b/i.test(type)) {
      await response.body?.cancel();
      throw new Error(`it answered with no event stream but ${type === "" ? "nothing" : type}`);
    }
    void this.#read(response.body, signal);
    await this.#ready.promise;
  }

  /** @throws {SessionLostError} it did not run; {@linkcode HttpStatusError} any other refusal */
  async send(message: RpcMessage): Promise<void> {
    if (this.#isClosed || !this.#messages) throw new Error(this.describeEnd());
    const withdrawn = withdrawnBy(message);
    if (withdrawn !== undefined) this.#endpoint.cancelSoon(withdrawn);
    try {
      await this.#endpoint.post(message, this.#messages, async (response) => await response.body?.cancel());
    } catch (thrown) {
      throw this.#understood(thrown);
    }
    if (withdrawn !== undefined) this.#endpoint.cancel(withdrawn);
  }

  setProtocolVersion(revision: string): void {
    this.#endpoint.revision = revision;
  }

  describeEnd(): string {
    return this.#end ?? "it was stopped";
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#endpoint.close();
      this.#ready.reject(new Error(this.describeEnd()));
      this.onclose?.();
    }
    return Promise.resolve();
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
    this.#end = why;
    await this.close();
  }

  #take({ event, data }: ServerEvent): boolean | Promise<boolean> {
    if (event === "endpoint") this.#meet(data);
    return event === "message" && data !== "" ? this.#reader.take(data) : false;
  }

  #meet(endpoint: string): void {
    const { url } = this.#endpoint;
    if (!URL.canParse(endpoint, url)) throw new Error(`its endpoint ${JSON.stringify(endpoint)} is no URL`);
    const messages = new URL(endpoint, url);
    // Our headers are meant for this origin alone.
    if (messages.origin !== url.origin) {
      throw new Error(`its endpoint is at another origin, ${messages.origin}`);
    }
    this.#messages = messages;
    this.#ready.resolve();
  }

  #understood(thrown: unknown): unknown {
    if (!(thrown instanceof HttpStatusError) || !isAboutSession(thrown, true)) return thrown;
    const lost = new SessionLostError(thrown);
    if (!this.#isLost) this.onlost?.(lost.message);
    this.#isLost = true;
    return lost;
  }
}
