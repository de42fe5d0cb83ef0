import { deadline } from "@std/async/deadline";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { HttpRequestHandler, RequestContext } from "./request_context.ts";

/** How long a request waits for the daemon to be put together. */
const MAX_WAIT_MS = 20 * SECOND_MS;
/** Requests that wait at the same time. */
const MAX_WAITING = 1000;

/**
 * Has requests wait that come before there is anything to answer them. The address is had first, since it is where
 * another daemon is noticed, and connections are taken from then on.
 */
export class StartupQueue implements Disposable {
  readonly #opened = Promise.withResolvers<HttpRequestHandler | undefined>();
  #handler: HttpRequestHandler | undefined;
  #waiting = 0;

  /** Answers requests, as soon as that can be done. */
  readonly handle: HttpRequestHandler = (request, arrival) =>
    this.#handler ? this.#handler(request, arrival) : this.#wait(request, arrival);

  /** From now on `handler` answers. */
  setHandler(handler: HttpRequestHandler): void {
    this.#handler = handler;
    this.#opened.resolve(handler);
  }

  /** Has those who still wait turned away: there will be nothing. */
  [Symbol.dispose](): void {
    this.#opened.resolve(undefined);
  }

  async #wait(request: Request, arrival: RequestContext): Promise<Response> {
    if (this.#waiting >= MAX_WAITING) return refusal();
    this.#waiting++;
    try {
      const handler = await deadline(this.#opened.promise, MAX_WAIT_MS).catch(() => undefined);
      return handler ? await handler(request, arrival) : refusal();
    } finally {
      this.#waiting--;
    }
  }
}

function refusal(): Response {
  const { code, message } = new ExaiError(
    "DAEMON_UNAVAILABLE",
    "the daemon is starting; try again in a moment",
  );
  return Response.json({ error: { code, message } }, { status: 503, headers: { "retry-after": "1" } });
}
