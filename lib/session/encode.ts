import { ExaiError, messageOf } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { exceedsBytes } from "../transport/message_size.ts";

/**
 * The text that `write` makes of a message. One that is too large, or cannot be serialized, is replaced by the one
 * `toError` returns, so that no request stays unanswered.
 *
 * @example
 * ```ts
 * import { encode } from "./encode.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const toError = ({ code }: { code: string }) => code;
 * assertEquals(encode(() => '"a"', 100, toError), '"a"');
 * assertEquals(encode(() => "a".repeat(101), 100, toError), "TOO_LARGE");
 * ```
 */
export function encode(write: () => string, maxBytes: number, toError: (error: ExaiError) => string): string {
  let text: string;
  try {
    text = write();
  } catch (thrown) {
    return toError(new ExaiError("INTERNAL", `the answer cannot be written as JSON: ${messageOf(thrown)}`));
  }
  if (!exceedsBytes(text, maxBytes)) return text;
  const why = `the answer is larger than the ${formatBytes(maxBytes)} one message may hold; ` +
    "ask for less at once, or raise EXAI_WS_MAX_BYTES";
  return toError(new ExaiError("TOO_LARGE", why));
}
