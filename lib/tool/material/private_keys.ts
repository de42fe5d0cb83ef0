import { matches, type Span } from "./secret_tokens.ts";

/** The kind of secret that no model is sent. */
export const PRIVATE_KEY = "a private key";

/** The first and the last line of a private key: PEM, OpenSSH, PGP, SSH2. */
const KEY_BORDER = /-{4,5} ?(BEGIN|END) (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}/g;

/** Private keys without borders: of age, of PuTTY, and PEM in base64, as Kubernetes has it. */
const UNBORDERED = new RegExp(
  [
    String.raw`AGE-SECRET-KEY-1[A-Z0-9]{50,100}`,
    String.raw`PuTTY-User-Key-File-[23]: [^\n]{0,100}(?:\n[^\n]{1,200}){3,200}`,
    // "-----BEGIN ", and what the names of kinds of private keys begin with.
    String
      .raw`LS0tLS1CRUdJTi(?:BSU0EgU|BQUklW|BFQyBQ|BPUEVO|BFTkNS|BEU0Eg|BQR1AgUFJJ)[A-Za-z0-9+/=]{30,30000}` +
    String.raw`(?:\r?\n[+\- \t]{0,12}[A-Za-z0-9+/=]{20,100}){0,300}`,
  ].join("|"),
  "g",
);

/** Finds the private keys in `text`. */
export function findKeys(text: string): Span[] {
  return [...keyBlocks(text), ...matches(text, UNBORDERED, () => PRIVATE_KEY)];
}

/** The blocks between the borders of private keys. One without its other border is taken as far as its lines go. */
function keyBlocks(text: string): Span[] {
  const spans: Span[] = [];
  let begin: { start: number; end: number } | undefined;
  for (const match of text.matchAll(KEY_BORDER)) {
    const [start, end] = [match.index, match.index + match[0].length];
    if (match[1] === "BEGIN") {
      if (begin !== undefined) {
        spans.push({ ...begin, end: endOfKeyLines(text, begin.end), kind: PRIVATE_KEY });
      }
      begin = { start, end };
    } else if (begin !== undefined && isKeyText(text.slice(begin.end, start))) {
      spans.push({ start: begin.start, end, kind: PRIVATE_KEY });
      begin = undefined;
    } else {
      // The other border is missing, or code that looks for keys lies between the two.
      if (begin !== undefined) {
        spans.push({ ...begin, end: endOfKeyLines(text, begin.end), kind: PRIVATE_KEY });
      }
      begin = undefined;
      spans.push({ start: startOfKeyLines(text, start), end, kind: PRIVATE_KEY });
    }
  }
  if (begin !== undefined) spans.push({ ...begin, end: endOfKeyLines(text, begin.end), kind: PRIVATE_KEY });
  return spans;
}

const MAX_KEY_CHARS = 30_000;
/** A line between the borders, of whatever the key is written in; no line of code. */
const KEY_TEXT = /^[+\- \t"'|>]{0,12}(?:[A-Za-z-]{1,30}: [^\n]{0,200}|[\w+/=\s"',\\:.-]{0,30000})$/;

function isKeyText(text: string): boolean {
  return text.length <= MAX_KEY_CHARS && text.split("\n").every((line) => KEY_TEXT.test(line));
}

/** A line of a key in PEM, perhaps of a diff, quoted or indented; a header of one or an empty line. */
const KEY_LINE =
  /^[+\- \t"'|>]{0,12}(?:[A-Za-z0-9+/=]{40,128}|[A-Za-z-]{1,30}: [^\n]{0,200})?(?:\\n|["',\\+]|\r|\s){0,8}$/;
/** Its last one, which is shorter. */
const LAST_KEY_LINE = /^[+\- \t"'|>]{0,12}[A-Za-z0-9+/=]{1,64}(?:\\n|["',\\+]|\r|\s){0,8}$/;
const MAX_KEY_LINES = 300;

function endOfKeyLines(text: string, from: number): number {
  let end = text.indexOf("\n", from);
  // The rest of its line: a key may be written as one.
  if (end < 0) return text.length;
  for (let lines = 0; lines < MAX_KEY_LINES; lines++) {
    const next = text.indexOf("\n", end + 1);
    const line = text.slice(end + 1, next < 0 ? text.length : next);
    if (line.length > 300) return end;
    // The last border, of which the end is missing.
    if (/^[+\- \t]{0,12}-{3}/.test(line)) return next < 0 ? text.length : next;
    if (!KEY_LINE.test(line)) return !LAST_KEY_LINE.test(line) ? end : next < 0 ? text.length : next;
    if (next < 0) return text.length;
    end = next;
  }
  return end;
}

function startOfKeyLines(text: string, from: number): number {
  let start = text.lastIndexOf("\n", from - 1) + 1;
  for (let lines = 0; lines < MAX_KEY_LINES && start > 0; lines++) {
    const previous = text.lastIndexOf("\n", start - 2) + 1;
    const line = text.slice(previous, start - 1);
    if (line.length > 300 || !/^[+\- \t"'|>]{0,12}[A-Za-z0-9+/=]{40,128}/.test(line)) return start;
    start = previous;
  }
  return start;
}
