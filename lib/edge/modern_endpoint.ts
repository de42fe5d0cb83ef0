import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { checkRequestHeaders } from "../wire/headers.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import { ModernReply } from "./modern_reply.ts";

/** One request, with the way back to its client. */
interface ClientRequest {
  headers: Headers;
  /** The size of its body in bytes. */
  bytes: number;
  /** Sends a notification about it, as text. */
  send(text: string): void;
  /** Aborted when the client has closed its connection. */
  signal: AbortSignal;
}

/** What answers the requests of one client. */
export interface ModernClient {
  /** The answer as text, and the code of its error. Never rejects. */
  answer(request: RawRequest, options: ClientRequest): Promise<{ text: string; code?: number }>;
}

interface ModernEndpointOptions {
  /** Requests that may wait for their answers at once. */
  maxConnections: number;
  maxQueuedBytes: number;
  /** The memory budget of all clients together. */
  budget?: ByteBudget;
}

interface ModernExchange {
  message: RawRequest;
  /** The size of the body in bytes. */
  bytes: number;
  completed: Promise<void>;
  /** What answers it; called when its headers are right. */
  open(): ModernClient;
}

/**
 * Streamable HTTP of the modern era (MCP basic/transports/streamable-http): each request is complete in itself, and its
 * connection is the only way back to its client.
 */
export class ModernEndpoint {
  readonly #options: ModernEndpointOptions;
  /** Requests that are not answered. */
  #open = 0;

  constructor(options: ModernEndpointOptions) {
    this.#options = options;
  }

  /**
   * Handles a request that has a claim.
   *
   * @throws {ExaiError} `HEADER_MISMATCH`; `OVER_CAPACITY`; whatever `open` throws
   */
  async handle(request: Request, exchange: ModernExchange): Promise<Response> {
    checkRequestHeaders(request.headers, exchange.message);
    const { maxConnections } = this.#options;
    if (this.#open >= maxConnections) {
      const why =
        `${maxConnections} requests wait for their answers, the most there may be (EXAI_WS_MAX_CONNECTIONS)`;
      throw new ExaiError("OVER_CAPACITY", why, { retryAfterMs: SECOND_MS });
    }
    return await this.#run(request, exchange);
  }

  #run(request: Request, { message, bytes, completed, open }: ModernExchange): Promise<Response> {
    const client = open();
    const { maxQueuedBytes, budget } = this.#options;
    const controller = new AbortController();
    const reply = new ModernReply({
      maxQueuedBytes,
      budget,
      completed,
      onGone: (reason) => controller.abort(reason),
    });
    const onGone = () => {
      controller.abort(new ExaiError("CANCELLED", "the client has closed the connection of its request"));
      reply.abandon();
    };
    const { signal } = controller;
    request.signal.addEventListener("abort", onGone, { once: true });
    if (request.signal.aborted) onGone();
    this.#open++;
    const options = { headers: request.headers, bytes, send: (text: string) => reply.notify(text), signal };
    void client.answer(message, options).then(({ text, code }) => {
      this.#open--;
      request.signal.removeEventListener("abort", onGone);
      reply.finish(text, code);
    });
    return reply.response;
  }
}
