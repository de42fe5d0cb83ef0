import { ExaiError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { formatBytes } from "../base/units.ts";

/** What a request carries. */
export interface JsonBody {
  value: Json;
  /** Its size, in UTF-16 code units where the client did not declare it. */
  bytes: number;
}

/**
 * The JSON a request carries. No more than `maxBytes` of it is ever held.
 *
 * @throws {ExaiError} `TOO_LARGE`, `PARSE_ERROR`
 */
export async function readJsonBody(request: Request, maxBytes: number): Promise<JsonBody> {
  const text = await readText(request, maxBytes);
  try {
    const declared = Number(request.headers.get("content-length") ?? text.length);
    return { value: JSON.parse(text), bytes: declared };
  } catch {
    throw new ExaiError("PARSE_ERROR", "the body must hold one JSON message; this one is no JSON");
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const declared = request.headers.get("content-length");
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // A declared length is kept to by the HTTP layer; without one the bytes are counted as they come.
  if (declared !== null || request.body === null) return await request.text();
  let bytes = 0;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of request.body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function tooLarge(maxBytes: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `a message may hold ${formatBytes(maxBytes)} at most (EXAI_WS_MAX_BYTES)`,
  );
}
