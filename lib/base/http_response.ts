import { isYieldDue, yieldToEventLoop } from "./event_loop.ts";

interface BodyLimits {
  /** Largest size of the body, or of one event of it, after decompression. */
  maxBytes: number;
  /** The error the body fails with beyond it. */
  tooLarge(): Error;
}

type Chunk = Uint8Array<ArrayBuffer>;

const [NEWLINE, RETURN] = [10, 13];

/**
 * Returns `response` with a body that fails beyond the limit. `fetch` decompresses, so the limit is on what arrives
 * here.
 */
export function boundedBody(response: Response, { maxBytes, tooLarge }: BodyLimits): Response {
  let bytes = 0;
  return transformed(response, {
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge();
      controller.enqueue(chunk);
      return isYieldDue(chunk.length) ? yieldToEventLoop() : undefined;
    },
  });
}

/**
 * Returns `response`, a stream of Server-Sent Events without an end, with a body that fails when one event is larger
 * than the limit. An event is what stands between two blank lines, comments and endless fields included.
 */
export function boundedEvents(response: Response, { maxBytes, tooLarge }: BodyLimits): Response {
  const count = eventCounter();
  return transformed(response, {
    transform(chunk, controller) {
      if (count(chunk) > maxBytes) throw tooLarge();
      controller.enqueue(chunk);
      return isYieldDue(chunk.length) ? yieldToEventLoop() : undefined;
    },
  });
}

/**
 * Returns `response` with its body decompressed if it is `deflate`: `fetch` supports gzip and br and asks for no
 * more, but some servers send it anyway.
 */
export function inflated(response: Response): Response {
  if (!/^\s*deflate\s*$/i.test(response.headers.get("content-encoding") ?? "")) return response;
  let inflate: TransformStream<Chunk, Chunk> | undefined;
  let writer: WritableStreamDefaultWriter<Chunk> | undefined;
  let done: Promise<void> | undefined;
  return transformed(response, {
    async transform(chunk, controller) {
      if (chunk.length === 0) return;
      if (!inflate) {
        // HTTP's deflate has the header of zlib (RFC 9110, 8.4.1.2); some servers leave it out.
        inflate = new DecompressionStream((chunk[0]! & 15) === 8 ? "deflate" : "deflate-raw");
        writer = inflate.writable.getWriter();
        done = inflate.readable.pipeTo(new WritableStream({ write: (part) => controller.enqueue(part) }));
        done.catch((thrown) => controller.error(thrown));
      }
      await writer!.write(chunk);
    },
    async flush() {
      await writer?.close();
      await done;
    },
  });
}

/** Returns `response` with the first `maxBytes` of its body. */
export function beginningOf(response: Response, maxBytes: number): Response {
  let left = maxBytes;
  return transformed(response, {
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.terminate();
    },
  });
}

function transformed(response: Response, transformer: Transformer<Chunk, Chunk>): Response {
  if (response.body === null || response.status === 0) return response;
  const { status, statusText, headers } = response;
  const body = response.body.pipeThrough(new TransformStream(transformer));
  const bounded = new Response(body, { status, statusText, headers });
  // A constructed response has neither, and what follows redirects reads them.
  Object.defineProperty(bounded, "url", { value: response.url });
  Object.defineProperty(bounded, "redirected", { value: response.redirected });
  return bounded;
}

/**
 * Returns a function that gives the size of the largest event that ends in a chunk, or of the unfinished one. Lines
 * end with CR, LF or both.
 */
function eventCounter(): (chunk: Uint8Array) => number {
  let eventBytes = 0;
  let lineBytes = 0;
  let isAfterReturn = false;
  let largest = 0;
  const endLine = () => {
    eventBytes++;
    largest = Math.max(largest, eventBytes);
    if (lineBytes === 0) eventBytes = 0;
    lineBytes = 0;
  };
  const add = (bytes: number) => {
    lineBytes += bytes;
    eventBytes += bytes;
  };
  const countByByte = (chunk: Uint8Array) => {
    for (const byte of chunk) {
      if (byte === RETURN || (byte === NEWLINE && !isAfterReturn)) endLine();
      else if (byte !== NEWLINE) add(1);
      isAfterReturn = byte === RETURN;
    }
  };
  // CR is not used in practice; without it the native search is fifty times as fast.
  const countByLine = (chunk: Uint8Array) => {
    let start = 0;
    for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      add(end - start);
      endLine();
    }
    add(chunk.length - start);
  };
  return (chunk) => {
    largest = 0;
    if (isAfterReturn || chunk.includes(RETURN)) countByByte(chunk);
    else countByLine(chunk);
    return Math.max(largest, eventBytes);
  };
}

/**
 * How long a response asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { retryAfterMs } from "./http_response.ts";
 *
 * assertEquals(retryAfterMs(new Headers({ "retry-after": "2" })), 2000);
 * assertEquals(retryAfterMs(new Headers()), undefined);
 * ```
 */
export function retryAfterMs(
  headers: Pick<Headers, "get"> | undefined,
  nowMs = Date.now(),
): number | undefined {
  const precise = Number(headers?.get("retry-after-ms") ?? NaN);
  if (precise >= 0) return precise;
  const text = headers?.get("retry-after") ?? "";
  if (text === "") return undefined;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
