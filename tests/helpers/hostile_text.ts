// deno-lint-ignore-file no-control-regex -- controls are what is looked for
/** One of each kind of what a terminal obeys or does not show. */
export const HOSTILE =
  "a\x1b[2J\x1b]0;title\x07b\r\nFORGED row\tc\x7f\x9b31m\u202e\u2066\u200e\u061c\u2028\u2029\u200b\u200d\ufeff" +
  "\ud800\u3164\u034f\u{e0041}\0\x08";

/** What must not be in what a terminal is sent: controls but line ends, direction marks, what has no width. */
export const UNSEEN =
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u3164\u034f\u{e0000}-\u{e007f}\ud800-\udfff]/u;
