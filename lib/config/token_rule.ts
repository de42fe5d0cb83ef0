/** Shortest token that is taken. */
export const MIN_TOKEN_CHARS = 8;
const MAX_TOKEN_CHARS = 512;

/** What stands for a token that the daemon makes itself. */
export const AUTO_TOKEN = "auto";

/** What a token may be, as a sentence says it. */
export const TOKEN_RULE =
  `${MIN_TOKEN_CHARS} to ${MAX_TOKEN_CHARS} letters, digits or signs of ASCII, without spaces`;

/**
 * Whether `token` can be shown again wherever it is asked for. White space is lost in files and in headers, and what is
 * not ASCII cannot stand in a header at all: whoever set such a token would be locked out. The one rule for the
 * setting, the file and a rotation.
 */
export function isToken(token: string): boolean {
  return token.length >= MIN_TOKEN_CHARS && token.length <= MAX_TOKEN_CHARS && /^[\x21-\x7e]+$/.test(token);
}
