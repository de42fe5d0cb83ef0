const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const BACKSLASH = 0x5c;

const LONG_CHARS = 4096;

/** Whether `text` is a JSON string, quotes included. */
export function isStringLiteral(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The offset of the quote that ends the string at `from`; -1 if there is none. */
export function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}

/**
 * `json` with a space for each line break, which changes no place in it: strings contain none, so all of them are between
 * its tokens.
 */
export function onOneLine(json: string): string {
  if (!json.includes("\n") && !json.includes("\r")) return json;
  if (json.length < LONG_CHARS || !json.isWellFormed()) return json.replaceAll(/[\r\n]/g, " ");
  // Millions of line breaks, replaced one by one, would hold up everything else for seconds.
  const bytes = new TextEncoder().encode(json);
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === LINE_FEED || bytes[at] === CARRIAGE_RETURN) bytes[at] = SPACE;
  }
  return new TextDecoder().decode(bytes);
}
