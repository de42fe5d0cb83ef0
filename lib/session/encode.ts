import { ExaiError, messageOf } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { exceedsBytes, jsonChars, MAX_BYTES_PER_CHAR } from "../transport/message_size.ts";

/**
 * The text of `message`. A message that is too large or cannot be serialized is replaced by the one `toError` returns,
 * so that no request stays unanswered.
 *
 * @example
 * ```ts
 * import { encode } from "./encode.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const toError = ({ code }: { code: string }) => ({ code, data: "" });
 * assertEquals(encode({ code: "", data: "a" }, 100, toError), '{"code":"","data":"a"}');
 * assertEquals(encode({ code: "", data: "a".repeat(100) }, 100, toError), '{"code":"TOO_LARGE","data":""}');
 * ```
 */
export function encode<T>(message: T, maxBytes: number, toError: (error: ExaiError) => T): string {
  const text = textOf(message, maxBytes);
  return typeof text === "string" ? text : JSON.stringify(toError(text));
}

/** As {@linkcode encode}, for a transport that serializes by itself: only messages that may be too large are serialized. */
export function sendable<T>(message: T, maxBytes: number, toError: (error: ExaiError) => T): T {
  const isSmall = jsonChars(message, maxBytes / MAX_BYTES_PER_CHAR) !== Infinity;
  const text = isSmall ? "" : textOf(message, maxBytes);
  return typeof text === "string" ? message : toError(text);
}

/** The JSON of `message`, or the error why it cannot be sent. */
function textOf(message: unknown, maxBytes: number): string | ExaiError {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (thrown) {
    const why = `the answer cannot be written as JSON: ${messageOf(thrown)}`;
    return new ExaiError("INTERNAL", why);
  }
  if (!exceedsBytes(text, maxBytes)) return text;
  const why = `the answer is larger than the ${formatBytes(maxBytes)} one message may hold; ` +
    "ask for less at once, or raise EXAI_WS_MAX_BYTES";
  return new ExaiError("TOO_LARGE", why);
}
