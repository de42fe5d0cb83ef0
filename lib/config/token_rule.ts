/** Length of the shortest accepted token. */
const MIN_TOKEN_CHARS = 8;
const MAX_TOKEN_CHARS = 512;

/** The value of `EXAI_WS_TOKEN` for a token that the daemon generates and keeps in the state directory. */
export const AUTO_TOKEN = "auto";

/** The rule for tokens, for messages. */
export const TOKEN_RULE =
  `${MIN_TOKEN_CHARS} to ${MAX_TOKEN_CHARS} printable ASCII characters, with no space at either end`;

const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * Whether `token` is valid: the one rule for the setting, the file and a rotation. Files and headers lose space at either
 * end, and headers cannot hold anything but printable ASCII, so other tokens would lock their owner out. Inner spaces, as
 * in a pass phrase, are allowed.
 *
 * @example
 * ```ts
 * import { isToken } from "./token_rule.ts";
 *
 * console.log(isToken("correct horse battery")); // true
 * console.log(isToken("short")); // false
 * ```
 */
export function isToken(token: string): boolean {
  const { length } = token;
  return length >= MIN_TOKEN_CHARS && length <= MAX_TOKEN_CHARS && PRINTABLE.test(token) &&
    token.trim() === token;
}
