import { beginningOf, boundedBody, boundedEvents, inflated } from "../base/http_response.ts";
import { ExaiError } from "../base/errors.ts";
import { formatBytes, KIB } from "../base/units.ts";
import { postClient, sentOnce } from "./post_client.ts";

export type ServerFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

interface BoundedFetchOptions {
  /** The server's name, for error messages. */
  server: string;
  /** Largest body, and largest event of a stream, in bytes after decompression. */
  maxBytes: number;
}

/** How much of an error body is read. */
const MAX_ERROR_BODY_BYTES = 4 * KIB;

/** The same of one that may be the answer to a request, as JSON is. */
const MAX_JSON_ERROR_BYTES = 256 * KIB;

const JSON_BODY = /^\s*application\/(?:[\w.-]+\+)?json\b/i;

const EVENT_STREAM = /^\s*text\/event-stream\b/i;

/**
 * A `fetch` for one server that bounds every body. What counts is the size after decompression: 250 kB of
 * gzip can hold 256 MB.
 */
export class BoundedFetch {
  readonly #options: BoundedFetchOptions;

  constructor(options: BoundedFetchOptions) {
    this.#options = options;
  }

  readonly fetch: ServerFetch = async (url, init) => {
    const response = inflated(await fetch(url, onlyOnce(url, init)));
    const { maxBytes } = this.#options;
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok) {
      return beginningOf(response, JSON_BODY.test(type) ? MAX_JSON_ERROR_BYTES : MAX_ERROR_BODY_BYTES);
    }
    if (EVENT_STREAM.test(type)) {
      return boundedEvents(response, { maxBytes, tooLarge: () => this.#tooLarge("an event") });
    }
    if (fits(response, maxBytes)) return response;
    return boundedBody(response, { maxBytes, tooLarge: () => this.#tooLarge("an answer") });
  };

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

/** `init` as a request that is not repeated if it has a text to send: what it asks for may have been done. */
function onlyOnce(url: string | URL, init: RequestInit = {}): RequestInit & { client?: Deno.HttpClient } {
  const { body } = init;
  return typeof body === "string" ? { ...init, body: sentOnce(body), client: postClient(url) } : init;
}

/**
 * Whether HTTP itself keeps `response` within `maxBytes`: its length is declared, and it is not compressed.
 */
function fits({ headers }: Response, maxBytes: number): boolean {
  const declared = headers.get("content-length");
  return declared !== null && !headers.has("content-encoding") && Number(declared) <= maxBytes;
}
