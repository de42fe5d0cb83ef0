/**
 * What a terminal obeys or does not show: controls (C0, C1, DEL), line and paragraph separators, direction marks,
 * characters without width, halves of a surrogate pair. U+FE0F only picks the form of the emoji before it.
 */
const UNSEEN = /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]--[\ufe0f]]/gv;
const UNSEEN_IN_LINES = /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]--[\ufe0f\n\t]]/gv;
/** Most texts hold nothing else, and are found to in a tenth of the time. */
const PLAIN = /^[ -~]*$/;
const PLAIN_LINES = /^[\n\t -~]*$/;
/** More marks on one letter than any writing has; they would run over the lines around it. */
const FLOOD = /(\p{M}{4})\p{M}+/gu;

/** Of a name or a cell, this much is shown. */
const MAX_CHARS = 200;

/**
 * Foreign text as a part of one line of a terminal or a log: what cannot be seen is written out (`\x1b`), and a long
 * text is cut. Writing it out says more than leaving it out, and no sequence has to be recognised for it.
 */
export function visible(text: string, maxChars = MAX_CHARS): string {
  return escaped(text.length > maxChars ? `${text.slice(0, maxChars)}…` : text, UNSEEN);
}

/** As {@linkcode visible} for a text of several lines, whole: its line ends and tabs stay. */
export function visibleLines(text: string): string {
  return escaped(text, UNSEEN_IN_LINES);
}

/** `value` as JSON of which a terminal obeys nothing: the same value, with what cannot be seen as `\u` escapes. */
export function visibleJson(value: unknown, indent?: number): string {
  return jsonEscaped(JSON.stringify(value, null, indent) ?? "null");
}

/** `text`, which is JSON, with what cannot be seen as `\u` escapes; it means the same. */
export function jsonEscaped(text: string): string {
  if (PLAIN_LINES.test(text)) return text;
  // Of controls, what JSON.stringify writes has line ends alone, and those between its strings.
  return text.replace(UNSEEN_IN_LINES, units);
}

function escaped(text: string, pattern: RegExp): string {
  if (PLAIN.test(text)) return text;
  return text.replace(pattern, (char) => {
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
