import { clipRedacted } from "./text.ts";

/**
 * What a terminal interprets or does not show: controls (C0, C1, DEL), line and paragraph separators, direction
 * marks, zero-width characters, lone surrogates. U+FE0F only selects the form of the emoji before it. Functions, since
 * to read one of these patterns takes 1 ms, which a window would wait for at its start.
 */
const unseen = () => /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]--[\ufe0f]]/gv;
const unseenInLines = () =>
  /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]--[\ufe0f\n\t]]/gv;
/** A tenfold faster test that most texts pass. */
const PLAIN = /^[ -~]*$/;
const PLAIN_LINES = /^[\n\t -~]*$/;
/** More combining marks on one letter than any script has; they would overlap the lines around it. */
const FLOOD = /(\p{M}{4})\p{M}+/gu;

/** How much of a name or a table cell is shown. */
const MAX_CHARS = 200;

/**
 * Foreign text for one line of a terminal or a log: invisible characters are escaped (`\x1b`), and a long text is
 * cut, by {@linkcode clipRedacted}. Escaping shows more than removing, and no control sequence has to be parsed for it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { visible } from "./visible.ts";
 *
 * assertEquals(visible("a\x1b[2Jb\n"), "a\\x1b[2Jb\\n");
 * ```
 */
export function visible(text: string, maxChars = MAX_CHARS): string {
  return escaped(text.length > maxChars ? `${clipRedacted(text, maxChars)}…` : text, unseen);
}

/** As {@linkcode visible} for a whole text of several lines: line ends and tabs stay. */
export function visibleLines(text: string): string {
  return PLAIN_LINES.test(text) ? text : escaped(text, unseenInLines);
}

/** `value` as JSON with invisible characters as `\u` escapes; it parses to the same value. */
export function visibleJson(value: unknown, indent?: number): string {
  return jsonEscaped(JSON.stringify(value, null, indent) ?? "null");
}

/** `text`, which is JSON, with invisible characters as `\u` escapes; it parses to the same value. */
export function jsonEscaped(text: string): string {
  if (PLAIN_LINES.test(text)) return text;
  // The only controls JSON.stringify writes are line ends between its strings.
  return text.replace(unseenInLines(), units);
}

function escaped(text: string, pattern: () => RegExp): string {
  if (PLAIN.test(text)) return text;
  return text.replace(pattern(), (char) => {
    const code = char.codePointAt(0)!;
    if (code === 0x0a) return "\\n";
    if (code === 0x0d) return "\\r";
    if (code === 0x09) return "\\t";
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : units(char);
  }).replace(FLOOD, "$1…");
}

function units(char: string): string {
  return char.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
