import { beginningOf, boundedBody, boundedEvents } from "../base/bounded_body.ts";
import { ExaiError } from "../base/errors.ts";
import { formatBytes, KIB } from "../base/units.ts";

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export interface BoundedFetchOptions {
  /** The server's name, for messages. */
  server: string;
  /** Largest body, and largest event of a stream, taken of it. */
  maxBytes: number;
}

/** Of a body that says what went wrong, this much is read. */
const MAX_ERROR_BODY_BYTES = 4 * KIB;

/** Positions in streams that are remembered as leading to an event too large to be taken. */
const MAX_REFUSED_POSITIONS = 64;
const MAX_POSITION_CHARS = 1024;

const EVENT_STREAM = /^\s*text\/event-stream\b/i;

/**
 * A `fetch` for one server behind a URL that takes no more of it than it may send, whatever kind of answer it is. What
 * counts is what is there after decompression: 250 kB of gzip can hold 256 MB.
 */
export class BoundedFetch {
  /** A stream held too large an event; `id` is our request whose stream it was, undefined for one of all requests. */
  onoverflow?: (error: ExaiError, id: number | undefined) => void;
  readonly #options: BoundedFetchOptions;
  /** Where streams were left that went on with too large an event: resuming them would only bring it again. */
  readonly #refused = new Set<string>();

  constructor(options: BoundedFetchOptions) {
    this.#options = options;
  }

  readonly fetch: Fetch = async (url, init) => {
    const position = positionOf(init);
    // Says that there is no such stream, which ends the attempts to come back to it.
    if (position !== undefined && this.#refused.has(position)) return new Response(null, { status: 405 });
    const response = await fetch(url, init);
    const { maxBytes } = this.#options;
    if (!response.ok) return beginningOf(response, MAX_ERROR_BODY_BYTES);
    if (EVENT_STREAM.test(response.headers.get("content-type") ?? "")) {
      const id = requestIdOf(init);
      return boundedEvents(response, {
        maxBytes,
        tooLarge: () => this.#overflow("an event", { id, position }),
      });
    }
    if (fits(response, maxBytes)) return response;
    return boundedBody(response, { maxBytes, tooLarge: () => this.#tooLarge("an answer") });
  };

  #overflow(what: string, { id, position }: { id?: number; position?: string }): ExaiError {
    const error = this.#tooLarge(what);
    if (position !== undefined) {
      if (this.#refused.size >= MAX_REFUSED_POSITIONS) this.#refused.clear();
      this.#refused.add(position);
    } else this.onoverflow?.(error, id);
    return error;
  }

  #tooLarge(what: string): ExaiError {
    const { server, maxBytes } = this.#options;
    const most = formatBytes(maxBytes);
    return new ExaiError(
      "TOO_LARGE",
      `server "${server}" sent ${what} of more than ${most}, and no more is taken (EXAI_WS_MAX_BYTES); ask it for less`,
      { details: { server } },
    );
  }
}

/** Whether HTTP itself keeps `response` within `maxBytes`: its length is declared, and it is not compressed. */
function fits({ headers }: Response, maxBytes: number): boolean {
  const declared = headers.get("content-length");
  return declared !== null && !headers.has("content-encoding") && Number(declared) <= maxBytes;
}

function positionOf(init: RequestInit | undefined): string | undefined {
  if (!(init?.headers instanceof Headers)) return undefined;
  const position = init.headers.get("last-event-id");
  return position === null || position.length > MAX_POSITION_CHARS ? undefined : position;
}

/** The id we gave the request that `init` posts. */
function requestIdOf(init: RequestInit | undefined): number | undefined {
  if (typeof init?.body !== "string") return undefined;
  const [, id] = /^\{"jsonrpc":"2\.0","id":(\d+),"method"/.exec(init.body.slice(0, 64)) ?? [];
  return id === undefined ? undefined : Number(id);
}
