/** A secret in a text. */
interface FoundSecret {
  /** With its article, such as "a private key". */
  kind: string;
  /** Its line, counted from 1. */
  line: number;
}

interface Redaction {
  text: string;
  secrets: readonly FoundSecret[];
}

interface RedactOptions {
  /** Whether only private keys are replaced: the caller named the file and decides about the rest. */
  keysOnly: boolean;
}

const PRIVATE_KEY = "a private key";
const API_KEY = "an API key";

/** The first and the last line of a private key: PEM, OpenSSH, PGP, SSH2. */
const KEY_BORDER = /-{4,5} ?(BEGIN|END) (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}/g;

/** Private keys without borders. */
const KEYS: readonly [kind: string, pattern: string][] = [
  [PRIVATE_KEY, String.raw`AGE-SECRET-KEY-1[A-Z0-9]{50,}`],
  [PRIVATE_KEY, String.raw`PuTTY-User-Key-File-[23]: [^\n]{0,100}(?:\n[^\n]{1,200}){3,200}`],
];

const END = String.raw`(?![A-Za-z0-9_])`;

/** Tokens as their issuers document them. Each begins with a fixed text, so that a search takes linear time. */
const TOKENS: readonly [kind: string, pattern: string][] = [
  ["an AWS access key", String.raw`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}${END}`],
  ["a GitHub token", String.raw`\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})`],
  ["a GitLab token", String.raw`\b(?:glpat|gldt|glrt|glcbt|glptt|glft|glsoat)-[A-Za-z0-9_.-]{20,300}`],
  ["a Slack token", String.raw`\bxox[abeoprs]-[A-Za-z0-9-]{10,250}|\bxapp-\d-[A-Za-z0-9-]{10,250}`],
  ["a Slack webhook", String.raw`hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,120}`],
  ["a Discord webhook", String.raw`discord(?:app)?\.com/api/webhooks/\d{15,25}/[A-Za-z0-9_-]{40,100}`],
  [API_KEY, String.raw`\bsk-(?:proj-|svcacct-|admin-|ant-|or-v1-|lf-|live-)?[A-Za-z0-9_-]{32,250}`],
  ["a Google API key", String.raw`\bAIza[A-Za-z0-9_-]{35}${END}`],
  ["a Google OAuth secret", String.raw`\b(?:GOCSPX-[A-Za-z0-9_-]{20,60}|ya29\.[A-Za-z0-9_-]{30,300})`],
  [
    "a Stripe key",
    String.raw`\b(?:[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/=]{24,100})`,
  ],
  ["an npm token", String.raw`\bnpm_[A-Za-z0-9]{36}${END}`],
  ["a PyPI token", String.raw`\bpypi-AgE[A-Za-z0-9_-]{50,500}`],
  ["a Hugging Face token", String.raw`\b(?:hf|api_org)_[A-Za-z0-9]{30,60}${END}`],
  ["a SendGrid key", String.raw`\bSG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60}`],
  ["a Telegram token", String.raw`\b\d{8,10}:AA[A-Za-z0-9_-]{33}${END}`],
  ["an xAI or Groq key", String.raw`\b(?:xai-[A-Za-z0-9]{60,120}|gsk_[A-Za-z0-9]{40,80})`],
  ["a DigitalOcean token", String.raw`\bdo[opr]_v1_[a-f0-9]{64}`],
  ["a Shopify token", String.raw`\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}`],
  ["a Square token", String.raw`\b(?:sq0(?:atp|csp)-[A-Za-z0-9_-]{22,60}|EAAA[A-Za-z0-9_-]{60})`],
  ["a Databricks token", String.raw`\bdapi[a-f0-9]{32}${END}`],
  ["a Vault token", String.raw`\bhv[sbr]\.[A-Za-z0-9_-]{24,250}`],
  ["a Mailgun key", String.raw`\bkey-[a-f0-9]{32}${END}`],
  ["a Linear or Notion key", String.raw`\b(?:lin_api_[A-Za-z0-9]{32,60}|ntn_[A-Za-z0-9]{40,60})`],
  ["an Azure storage key", String.raw`AccountKey=[A-Za-z0-9+/]{80,100}={0,2}`],
  [
    "a JSON web token",
    String.raw`\beyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{10,2000}`,
  ],
];

/** Values of which only what is around them says that they are secret. */
const PASSWORD_IN_URL = /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"'<>]{0,80}:(?<value>[^\s/@"'<>]{3,120})@/gi;
const ASSIGNMENT = new RegExp(
  String
    .raw`(?:api[_-]?key|secret|token|passw(?:or)?d|passphrase|credential|private[_-]?key|access[_-]?key|auth)` +
    String
      .raw`[a-z0-9_-]{0,20}["']?[ \t]{0,3}(?::=|=>|[:=])[ \t]{0,3}["'\x60]?(?<value>[A-Za-z0-9+/_.~-]{16,200}={0,2})` +
    String.raw`(?=["'\x60]|\r?$|\s+#)`,
  "gim",
);

const TOKEN = new RegExp(TOKENS.map(([, pattern], i) => `(?<k${i}>${pattern})`).join("|"), "g");
const KEY = new RegExp(KEYS.map(([, pattern]) => pattern).join("|"), "g");

/** Values that stand for a secret and are none. */
const PLACEHOLDER =
  /^(?:[xX*.<>_-]+|.*(?:example|placeholder|changeme|change_me|your[_-]|dummy|redacted|\$\{|\{\{|%[({]|<).*|passw(?:or)?d|pass|pwd|secret|token|user|root|admin|postgres|guest|test|foobar)$/i;

/**
 * `text` with the secrets in it replaced by what they are; the number of lines stays.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { redactSecrets } from "./secrets.ts";
 *
 * const { text, secrets } = redactSecrets(`\nkey = "ghp_${"a1".repeat(18)}"`, { keysOnly: false });
 * assertEquals(text, '\nkey = "[not shown: a GitHub token]"');
 * assertEquals(secrets, [{ kind: "a GitHub token", line: 2 }]);
 * ```
 */
export function redactSecrets(text: string, { keysOnly }: RedactOptions): Redaction {
  const spans = [...keyBlocks(text), ...matches(text, KEY, () => PRIVATE_KEY)];
  if (!keysOnly) {
    spans.push(
      ...matches(text, TOKEN, kindOfToken),
      ...matches(
        text,
        PASSWORD_IN_URL,
        ({ groups }) => PLACEHOLDER.test(groups!.value!) ? undefined : "a password in a URL",
      ),
      ...matches(
        text,
        ASSIGNMENT,
        ({ groups }) => looksRandom(groups!.value!) ? "a secret that is set" : undefined,
      ),
    );
  }
  if (spans.length === 0) return { text, secrets: [] };
  return replace(text, spans.sort((a, b) => a.start - b.start));
}

/** Whether nothing is left of a text but a private key. */
export function isOnlyKey({ text, secrets }: Redaction): boolean {
  if (!secrets.some(({ kind }) => kind === PRIVATE_KEY)) return false;
  return text.replaceAll(marker(PRIVATE_KEY), "").replace(/[+\-\s]/g, "") === "";
}

/** Describes `secrets` in a note, in bounded space. */
export function describeSecrets(secrets: readonly FoundSecret[]): string {
  const shown = secrets.slice(0, 5).map(({ kind, line }) => `${kind} in line ${line}`);
  const more = secrets.length > shown.length ? `, and ${secrets.length - shown.length} more` : "";
  return `shown without ${shown.join(", ")}${more}`;
}

interface Span {
  start: number;
  end: number;
  kind: string;
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
    } else if (begin === undefined) {
      spans.push({ start: startOfKeyLines(text, start), end, kind: PRIVATE_KEY });
    } else {
      spans.push({ start: begin.start, end, kind: PRIVATE_KEY });
      begin = undefined;
    }
  }
  if (begin !== undefined) spans.push({ ...begin, end: endOfKeyLines(text, begin.end), kind: PRIVATE_KEY });
  return spans;
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

function matches(
  text: string,
  pattern: RegExp,
  kindOf: (match: RegExpExecArray) => string | undefined,
): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(pattern)) {
    const kind = kindOf(match);
    if (kind === undefined) continue;
    // Of an assignment or a URL only the value is replaced.
    const value = match.groups?.value ?? match[0];
    const start = match.index + match[0].lastIndexOf(value);
    spans.push({ start, end: start + value.length, kind });
  }
  return spans;
}

function kindOfToken(match: RegExpExecArray): string | undefined {
  const { groups = {} } = match;
  const index = TOKENS.findIndex((_, i) => groups[`k${i}`] !== undefined);
  const kind = TOKENS[index]![0];
  // Names such as sk-learn-… have no digits.
  return kind === API_KEY && !/\d.*\d/.test(match[0]) ? undefined : kind;
}

/** Least bits in each character of a value that is taken for random. */
const MIN_ENTROPY = 3.4;

/** Whether `value` looks like one that a program made, and not like a name or a word. */
function looksRandom(value: string): boolean {
  const digits = value.replace(/\D/g, "").length;
  if (PLACEHOLDER.test(value) || digits < 3 || !/[A-Za-z]/.test(value)) return false;
  // Paths, versions and names in code: words that are joined.
  if (
    /^[a-z]+(?:[._/-][a-z0-9]+)+$/i.test(value) && value.split(/[._/-]/).every((part) => part.length < 12)
  ) {
    return false;
  }
  const counts = new Map<string, number>();
  for (const char of value) counts.set(char, (counts.get(char) ?? 0) + 1);
  let entropy = 0;
  for (const count of counts.values()) {
    entropy -= (count / value.length) * Math.log2(count / value.length);
  }
  return entropy >= MIN_ENTROPY;
}

function marker(kind: string): string {
  return `[not shown: ${kind}]`;
}

function replace(text: string, spans: readonly Span[]): Redaction {
  const secrets: FoundSecret[] = [];
  let clean = "";
  let at = 0;
  let line = 1;
  for (const { start, end, kind } of spans) {
    // Within the one before.
    if (end <= at) continue;
    const from = Math.max(start, at);
    const kept = text.slice(at, from);
    line += count(kept, "\n");
    secrets.push({ kind, line });
    const lines = text.slice(from, end).split("\n");
    // The lines stay, and what begins them in a diff, so that the numbers of the following ones do.
    clean += kept +
      [marker(kind), ...lines.slice(1).map((one) => /^(?:[+\- ](?!-{3}))?/.exec(one)![0])].join("\n");
    line += lines.length - 1;
    at = end;
  }
  return { text: clean + text.slice(at), secrets };
}

function count(text: string, char: string): number {
  let found = 0;
  for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + 1)) found++;
  return found;
}
