/** A shorter value is too common in ordinary text to be a secret. */
export const MIN_SECRET_LENGTH = 4;

/** A shorter line of a secret of several lines is no secret by itself. */
const MIN_LINE_LENGTH = 16;

/** The registered secrets in every form they are written in, by their first characters. */
const byPrefix = new Map<string, Set<string>>();

/** Whether a secret begins with this UTF-16 code unit; read for each character of a text. */
const isFirstUnit = new Uint8Array(0x10000);

/** How many secrets that others replace are kept out: a token is of no use to anybody long before as many have followed. */
const MAX_PASSING = 2000;

/** Secrets that others replace, the oldest first. */
const passing = new Set<string>();

/**
 * Keeps `value` out of every log line from now on, as it is and as JSON, `Deno.inspect` and URLs write it. A value
 * too short to be a secret is ignored.
 */
export function registerSecret(value: string): void {
  passing.delete(value);
  // Servers print a key of several lines on several lines, each of which is logged by itself.
  const lines = value.split(/[\r\n]+/).filter((line) => line.length >= MIN_LINE_LENGTH);
  if (lines.length > 1) lines.forEach(registerSecret);
  for (const form of formsOf(value)) {
    const prefix = form.slice(0, MIN_SECRET_LENGTH);
    const known = byPrefix.get(prefix);
    if (known) known.add(form);
    else byPrefix.set(prefix, new Set([form]));
    isFirstUnit[form.charCodeAt(0)] = 1;
  }
}

/**
 * As {@linkcode registerSecret}, for one of many that follow one another, such as access tokens: the oldest are forgotten,
 * so that a program that runs for months does not grow by them.
 */
export function registerPassingSecret(value: string): void {
  const isKnown = byPrefix.get(value.slice(0, MIN_SECRET_LENGTH))?.has(value) ?? false;
  // One that was registered for good stays.
  if (isKnown && !passing.has(value)) return;
  registerSecret(value);
  passing.add(value);
  if (passing.size <= MAX_PASSING) return;
  const [oldest = ""] = passing;
  passing.delete(oldest);
  for (const form of formsOf(oldest)) {
    const prefix = form.slice(0, MIN_SECRET_LENGTH);
    const known = byPrefix.get(prefix);
    known?.delete(form);
    if (known?.size === 0) byPrefix.delete(prefix);
  }
}

function formsOf(value: string): string[] {
  if (value.length < MIN_SECRET_LENGTH) return [];
  const escaped = escape(value);
  const inspected = value.replaceAll("\\", "\\\\");
  return [value, escaped, escape(escaped), inspected, encodeURIComponent(value.toWellFormed())];
}

/** `text` as it stands within a JSON string. */
function escape(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/**
 * The first `maxChars` of `text`, all of it by default, with each registered secret replaced by `[secret]`, overlapping
 * ones included. One that begins before the cut is replaced whole: what a cut leaves of it, nothing recognizes any more.
 */
export function redact(text: string, maxChars: number = text.length): string {
  let clean = "";
  let copied = 0;
  let begin = 0;
  let end = -1;
  const last = Math.min(text.length - MIN_SECRET_LENGTH, maxChars - 1);
  for (let at = 0; at <= last; at++) {
    if (isFirstUnit[text.charCodeAt(at)] === 0) continue;
    const length = longestAt(text, at);
    if (length === 0) continue;
    if (at >= end) {
      if (end > 0) clean += text.slice(copied, begin) + "[secret]";
      if (end > 0) copied = end;
      begin = at;
    }
    end = Math.max(end, at + length);
  }
  if (end < 0) return text.slice(0, maxChars);
  return `${clean}${text.slice(copied, begin)}[secret]${text.slice(end, Math.max(end, maxChars))}`;
}

/** Length of the longest secret at `at`; 0 if there is none. */
function longestAt(text: string, at: number): number {
  let longest = 0;
  for (const secret of byPrefix.get(text.slice(at, at + MIN_SECRET_LENGTH)) ?? []) {
    if (secret.length > longest && text.startsWith(secret, at)) longest = secret.length;
  }
  return longest;
}
