import { ExaiError, messageOf } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { exceedsBytes } from "../transport/bytes.ts";

/**
 * `message` as the text of one frame. What cannot be sent, because it is too large or no JSON, is replaced by what
 * `refuse` makes of the error: a request never stays without its answer.
 */
export function encode<T>(message: T, maxBytes: number, refuse: (error: ExaiError) => T): string {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (thrown) {
    const why = `the answer cannot be written as JSON: ${messageOf(thrown)}`;
    return JSON.stringify(refuse(new ExaiError("INTERNAL", why, { cause: thrown })));
  }
  if (!exceedsBytes(text, maxBytes)) return text;
  const why = `the answer is larger than the ${formatBytes(maxBytes)} one message may hold; ` +
    "ask for less at once, or raise EXAI_WS_MAX_BYTES";
  return JSON.stringify(refuse(new ExaiError("TOO_LARGE", why)));
}
