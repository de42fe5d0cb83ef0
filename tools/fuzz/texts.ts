/** Texts that have hurt a parser, a table, a terminal or a log, and stand for any name, URI or reason. */
export const HOSTILE_TEXTS: readonly string[] = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
  "toJSON",
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "line\nbreak",
  "return\r\nfeed",
  "\u001b[2J\u001b[1;1H",
  "\u001b]0;title\u0007",
  "\u001b[31mred\u001b[0m",
  "\u009b31m",
  "bell\u0007",
  "back\b\b\b\bspace",
  "\u007f",
  "\u202egnp.exe",
  "\u2066isolated\u2069",
  "\u200b\ufeff",
  "\u2028",
  "\ud800",
  "\udfff\ud800",
  "é😀",
  "e\u0301",
  "..",
  "../../etc/passwd",
  "file:///etc/passwd",
  "exai://\u001b[2J",
  "javascript:alert(1)",
  "%00%0a%1b",
  "1",
  "-0",
  "9007199254740993",
  "1e999",
  "x".repeat(300),
  "\u001b".repeat(100),
];

/** Very long, and rare for that reason. */
export const LONG_TEXTS: readonly string[] = ["y".repeat(20_000), "\u001b[7m".repeat(5000), "é".repeat(9000)];

/** Ids as JSON text: numbers at the edge of what a double holds, numbers as texts, names that every object has. */
export const ODD_IDS: readonly string[] = [
  "9007199254740991",
  "9007199254740992",
  "9007199254740993",
  "-9007199254740993",
  "-1",
  "-0",
  "0.5",
  "1e21",
  "1e308",
  '"1"',
  '"-0"',
  '"9007199254740993"',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '""',
  '"\\u0000"',
  '"\\u001b[2J"',
  '"\\n"',
  '"\\u202e"',
  '"op 1"',
  '"op number 1"',
];

// deno-lint-ignore no-control-regex -- these are what is looked for
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** The first line of `text` with a character that moves a cursor or turns the direction of text, as JSON; undefined when there is none. */
export function unsafeLine(text: string): string | undefined {
  const line = text.split("\n").find((line) => UNSAFE.test(line));
  if (line === undefined) return undefined;
  const at = line.search(UNSAFE);
  return JSON.stringify(line.slice(Math.max(0, at - 60), at + 30)).replace(
    new RegExp(UNSAFE.source, "g"),
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
