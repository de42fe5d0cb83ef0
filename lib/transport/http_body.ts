import { Buffer } from "node:buffer";
import { type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { formatBytes, KIB, SECOND_MS } from "../base/units.ts";
import { type RawReading, readClientText } from "../wire/raw_reader.ts";
import { limitFault } from "../wire/shape.ts";

/** A body of this size is read without being tracked. */
const MAX_SMALL_BYTES = 16 * KIB;

interface HttpBodyLimits {
  maxBytes: number;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
}

/** The body of a request. */
interface ClientBody {
  reading: Exclude<RawReading, { kind: "unreadable" }>;
  /** Its size in bytes, or in UTF-16 code units if the client did not declare it. */
  bytes: number;
}

/**
 * Reads the body of a request, which holds messages of a client. At most `maxBytes` of it are held, and of all bodies together as much as the
 * budget allows: the one that began first is evicted.
 *
 * @throws {ExaiError} `TOO_LARGE`, `PARSE_ERROR`, `INVALID_REQUEST` for its shape, `OVER_CAPACITY` when it is evicted
 */
export async function readClientBody(request: Request, limits: HttpBodyLimits): Promise<ClientBody> {
  const text = await readText(request, limits);
  const reading = readClientText(text);
  if (reading.kind !== "unreadable") {
    return { reading, bytes: Number(request.headers.get("content-length") ?? text.length) };
  }
  throw reading.fault === "syntax"
    ? new ExaiError("PARSE_ERROR", "the body must hold one JSON message; this one is no JSON")
    : new ExaiError("INVALID_REQUEST", limitFault(reading.fault));
}

async function readText(request: Request, { maxBytes, budget = UNBOUNDED }: HttpBodyLimits): Promise<string> {
  const declared = request.headers.get("content-length");
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // The HTTP layer enforces a declared length. A small body comes in one piece.
  if (request.body === null || (declared !== null && Number(declared) <= MAX_SMALL_BYTES)) {
    return await request.text();
  }
  const reader = request.body.getReader();
  let givenWay: ExaiError | undefined;
  const sinceMs = performance.now();
  using account = budget.open({
    rank: () => EVICTION_RANK.incoming,
    sinceMs: () => sinceMs,
    evict: () => {
      givenWay = tooMany();
      chunks.length = 0;
      account.set(0);
      reader.cancel(givenWay).catch(() => {});
    },
  });
  const chunks: Uint8Array[] = [];
  for (let bytes = 0;;) {
    const { done, value } = await reader.read();
    if (givenWay) throw givenWay;
    if (done) return new TextDecoder().decode(Buffer.concat(chunks));
    bytes += value.length;
    if (bytes > maxBytes) {
      reader.cancel().catch(() => {});
      throw tooLarge(maxBytes);
    }
    chunks.push(value);
    account.add(value.length);
    if (givenWay) throw givenWay;
  }
}

function tooMany(): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    "too much is being sent to the daemon at once, and this request has been coming for longest; send it again",
    { retryAfterMs: SECOND_MS },
  );
}

function tooLarge(maxBytes: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `a message may hold ${formatBytes(maxBytes)} at most (EXAI_WS_MAX_BYTES)`,
  );
}
