import { deadline } from "@std/async/deadline";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { HttpRequestHandler, RequestContext } from "./request_context.ts";

/** How long a request waits for the daemon to start. */
const MAX_WAIT_MS = 20 * SECOND_MS;
/** Maximum number of waiting requests. */
const MAX_WAITING = 1000;

/**
 * Holds requests that arrive before the daemon can answer them. The address is bound first, to detect another daemon, and
 * accepts connections from then on.
 */
export class StartupQueue implements Disposable {
  readonly #ready = Promise.withResolvers<HttpRequestHandler | undefined>();
  #handler: HttpRequestHandler | undefined;
  #waiting = 0;

  /** Passes requests to the handler, once it is set. */
  readonly handle: HttpRequestHandler = (request, context) =>
    this.#handler ? this.#handler(request, context) : this.#wait(request, context);

  /** Passes all waiting and later requests to `handler`. */
  setHandler(handler: HttpRequestHandler): void {
    this.#handler = handler;
    this.#ready.resolve(handler);
  }

  /** Rejects all waiting requests. */
  [Symbol.dispose](): void {
    this.#ready.resolve(undefined);
  }

  async #wait(request: Request, context: RequestContext): Promise<Response> {
    if (this.#waiting >= MAX_WAITING) return refusal();
    this.#waiting++;
    try {
      const handler = await deadline(this.#ready.promise, MAX_WAIT_MS).catch(() => undefined);
      return handler ? await handler(request, context) : refusal();
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
