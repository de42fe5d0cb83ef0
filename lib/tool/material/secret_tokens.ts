/** A secret in a text, by the positions of its characters. */
export interface Span {
  start: number;
  end: number;
  kind: string;
}

const API_KEY = "an API key";

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

/** Names of what is set to a secret. */
const SECRET_NAME = String
  .raw`(?:api[_-]?key|secret|token|passw(?:or)?d|passphrase|credential|private[_-]?key|access[_-]?key|auth)`;
const IS_SET_TO = String.raw`["']?[ \t]{0,3}(?::=|=>|[:=])[ \t]{0,3}`;

/** Secrets that only what is around them tells, and whether their values are any. */
const SURROUNDED: readonly [kind: string, pattern: RegExp, isSecret: (value: string) => boolean][] = [
  [
    "a password in a URL",
    /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"'<>]{0,80}:(?<value>[^\s/@"'<>]{3,120})@/gi,
    (value) => !isPlaceholder(value),
  ],
  [
    "a secret that is set",
    new RegExp(
      String.raw`${SECRET_NAME}[a-z0-9_-]{0,20}${IS_SET_TO}` +
        String
          .raw`(?:(?<quote>["'\x60])(?<value>[^"'\x60\s]{16,200})\k<quote>|(?=(?<bare>[A-Za-z0-9+/_.~-]{16,200}={0,2}))\k<bare>(?=\r?$|\s+#))`,
      "gim",
    ),
    looksRandom,
  ],
  [
    "a password that is set",
    // As in an environment file or in YAML: code sets a constant to an expression.
    /\b[A-Z][A-Z0-9_]{0,60}(?:PASSWORD|PASSWD|_PASS|SECRET|SECRET_KEY|_TOKEN|API_KEY|ACCESS_KEY)(?:=|["']?: )["']?(?<value>[^\s"'$<>{}(),;]{6,200})["']?(?=,?\r?$)/gm,
    (value) => /\d/.test(value) && /\D/.test(value) && !isPlaceholder(value),
  ],
  [
    "credentials of a request",
    /\b(?:Bearer|Basic)[ \t]{1,3}(?<value>[A-Za-z0-9+/_.~-]{20,1000}={0,2})/g,
    looksRandom,
  ],
];

const TOKEN = new RegExp(TOKENS.map(([, pattern], i) => `(?<k${i}>${pattern})`).join("|"), "g");

/** Whole values, and words within a value, of one that stands for a secret. */
const STAND_INS = new Set(
  "password passwd pass pwd secret token user root admin postgres guest test foobar".split(" "),
);
const STAND_IN_WORDS = new Set(
  "example sample placeholder changeme change your dummy fake redacted".split(" "),
);

/** Whether `value` stands for a secret, or is one that is put in later. */
function isPlaceholder(value: string): boolean {
  const lower = value.toLowerCase();
  return STAND_INS.has(lower) || lower.split(/[^a-z]+/).some((word) => STAND_IN_WORDS.has(word)) ||
    ["${", "{{", "%(", "%{", "<"].some((sign) => value.includes(sign)) ||
    /^[xX*.<>_-]+$/.test(value) || /^[$%]\w+%?$/.test(value) || /^\[[^\]]*\]$/.test(value);
}

/** Finds tokens, passwords and other secrets in `text`, but no private keys. */
export function findTokens(text: string): Span[] {
  const spans = matches(text, TOKEN, kindOfToken);
  for (const [kind, pattern, isSecret] of SURROUNDED) {
    spans.push(...matches(text, pattern, (match) => isSecret(valueOf(match)) ? kind : undefined));
  }
  return spans;
}

/** Finds the secrets among the matches of `pattern`; `kindOf` tells those that are none. */
export function matches(
  text: string,
  pattern: RegExp,
  kindOf: (match: RegExpExecArray) => string | undefined,
): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(pattern)) {
    const kind = kindOf(match);
    if (kind === undefined) continue;
    const value = valueOf(match);
    const start = match.index + match[0].lastIndexOf(value);
    spans.push({ start, end: start + value.length, kind });
  }
  return spans;
}

/** The part of a match that is replaced: of an assignment or a URL only the value. */
function valueOf({ 0: whole, groups }: RegExpExecArray): string {
  return groups?.value ?? groups?.bare ?? whole;
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
  const isMixed = /[a-z]/.test(value) && /[A-Z]/.test(value) && value.length >= 32;
  if (isPlaceholder(value) || digits < (isMixed ? 1 : 3) || !/[A-Za-z]/.test(value)) return false;
  // A URL, of which the password is found by itself, and an expression of code.
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return false;
  if (/[(){}[\]]|\$\{/.test(value)) return false;
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
