import { ExaiError, messageOf } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { exceedsBytes, jsonChars, MAX_BYTES_PER_CHAR } from "../transport/message_size.ts";

/**
 * `message` as the text of one frame. What cannot be sent, because it is too large or no JSON, is replaced by what
 * `refuse` makes of the error: a request never stays without its answer.
 */
export function encode<T>(message: T, maxBytes: number, refuse: (error: ExaiError) => T): string {
  const text = textOf(message, maxBytes);
  return typeof text === "string" ? text : JSON.stringify(refuse(text));
}

/** As {@linkcode encode}, for a transport that writes the text itself: it is written here only to be measured. */
export function sendable<T>(message: T, maxBytes: number, refuse: (error: ExaiError) => T): T {
  const isSmall = jsonChars(message, maxBytes / MAX_BYTES_PER_CHAR) !== Infinity;
  const text = isSmall ? "" : textOf(message, maxBytes);
  return typeof text === "string" ? message : refuse(text);
}

/** The JSON of `message`, or why it cannot be sent. */
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
