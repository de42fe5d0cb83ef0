/** Shortest token that is taken. */
const MIN_TOKEN_CHARS = 8;
const MAX_TOKEN_CHARS = 512;

/** What stands for a token that the daemon makes itself and keeps in the state directory. */
export const AUTO_TOKEN = "auto";

/** What a token may be, as a sentence says it. */
export const TOKEN_RULE =
  `${MIN_TOKEN_CHARS} to ${MAX_TOKEN_CHARS} printable ASCII characters, with no space at either end`;

const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * Whether `token` can be shown again wherever it is asked for. Space at an end is lost in files and in headers, and what
 * is not printable ASCII cannot stand in a header at all: whoever set such a token would be locked out. Spaces within,
 * as in a pass phrase, stay. The one rule for the setting, the file and a rotation.
 */
export function isToken(token: string): boolean {
  const { length } = token;
  return length >= MIN_TOKEN_CHARS && length <= MAX_TOKEN_CHARS && PRINTABLE.test(token) &&
    token.trim() === token;
}
