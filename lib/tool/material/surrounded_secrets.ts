/** A secret that only what is around it tells. */
interface SurroundedSecret {
  kind: string;
  /** Has the value in the group `value` or `bare`. Every repetition is bounded, so that a search takes linear time. */
  pattern: RegExp;
  isSecret(value: string): boolean;
}

/** Names of what is set to a secret. */
const SECRET_NAME = String
  .raw`(?:api[_-]?key|secret|token|passw(?:or)?d|passphrase|credential|private[_-]?key|access[_-]?key|auth)`;
const PASSWORD_NAME = String.raw`(?:passw(?:or)?d|passphrase|pwd)`;
/** A quote, which is escaped where code or JSON lies in JSON, as in a notebook. */
const QUOTE = String.raw`\\{0,3}["'\x60]`;
const IS_SET_TO = String.raw`(?:${QUOTE})?[ \t]{0,3}(?::=|=>|[:=])[ \t]{0,3}`;
/** The beginning of a line, perhaps of a diff. */
const LINE = String.raw`^[+\- \t]{0,40}`;

export const SURROUNDED: readonly SurroundedSecret[] = [
  {
    kind: "a password in a URL",
    pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"'<>]{0,80}:(?<value>[^\s/"'<>]{3,120})@/gi,
    isSecret: (value) => !isPlaceholder(value),
  },
  {
    kind: "a token in a URL",
    pattern: /:\/\/(?<value>[^\s:/@"'<>]{16,200}):(?:x-oauth-basic)?@/gi,
    isSecret: looksRandom,
  },
  {
    kind: "a secret that is set",
    pattern: new RegExp(
      String.raw`${SECRET_NAME}[a-z0-9_-]{0,20}${IS_SET_TO}` +
        String
          .raw`(?:\\{0,3}(?<quote>["'\x60])(?<value>[^"'\x60\s\\]{16,200})\\{0,3}\k<quote>|(?=(?<bare>[A-Za-z0-9+/_.~-]{16,200}={0,2}))\k<bare>(?=\r?$|\s+#|\\{0,3}["'\x60&]))`,
      "gim",
    ),
    isSecret: looksRandom,
  },
  {
    kind: "a password that is set",
    // As in an environment file or in YAML: code sets a constant to an expression.
    pattern:
      /\b[A-Z][A-Z0-9_]{0,60}(?:PASSWORD|PASSWD|_PASS|_PAT|SECRET|SECRET_KEY|_TOKEN|API_KEY|ACCESS_KEY)(?:=|["']?: )["']?(?<value>[^\s"'$<>{}(),;]{6,200})["']?(?=,?\r?$|[ \t])/gm,
    isSecret: isPassword,
  },
  {
    kind: "a password that is set",
    pattern: new RegExp(
      String
        .raw`${PASSWORD_NAME}${IS_SET_TO}\\{0,3}(?<quote>["'\x60])(?<value>[^"'\x60\s\\$<>{}]{6,200})\\{0,3}\k<quote>`,
      "gi",
    ),
    isSecret: isPassword,
  },
  {
    kind: "a password that is set",
    // As in YAML, in properties and in an INI file; code sets a name to an expression.
    pattern: new RegExp(
      LINE + String
        .raw`[\w.-]{0,60}${PASSWORD_NAME}[ \t]{0,3}[:=][ \t]{0,3}(?<value>[^\s"'\x60$<>{}()[\],;]{6,200})(?=[ \t]{0,3}\r?$)`,
      "gim",
    ),
    isSecret: (value) =>
      isPassword(value) && !/^[a-z_]{0,40}(?:\.\w{1,60}){1,8}$|^[a-z_]{1,40}\d{0,3}$/i.test(value),
  },
  {
    kind: "a password that is set",
    pattern:
      /^[+\- \t]{0,40}ENV[ \t]{1,3}[A-Z0-9_]{0,60}(?:PASSWORD|_PASS|SECRET|TOKEN|_KEY)[ \t]{1,3}(?<value>[^\s"'$]{6,200})/gm,
    isSecret: isPassword,
  },
  {
    kind: "a password of a connection",
    pattern:
      /[?&;"'][ \t]{0,2}(?:[a-z]{0,10}password|pwd)[ \t]?=[ \t]?(?<value>[^\s&;"'\x60<>$(){}]{6,120})/gi,
    isSecret: isPassword,
  },
  {
    kind: "a secret in a URL",
    pattern:
      /[?&](?:sig|code|[a-z_-]{0,20}(?:signature|token|key|secret))=(?<value>[A-Za-z0-9%+/_.~=-]{16,2000})/gi,
    isSecret: looksRandom,
  },
  {
    kind: "a password that is set",
    pattern:
      /<(?<tag>[\w.:-]{0,40}(?:password|passwd|passphrase|secret|token|apikey))>(?<value>[^<>\s${}]{6,200})<\/\k<tag>>/gi,
    isSecret: isPassword,
  },
  {
    kind: "a password that is set",
    // A list of names and values, as in Kubernetes, Compose and HAR files.
    pattern:
      /\b(?:name|key)["']?[ \t]{0,3}[:=][ \t]{0,3}["']?[\w.-]{0,60}(?:password|passwd|secret|token|api_?key|access_?key|cookie|authorization)["']?[ \t]{0,3},?[\s+-]{0,40}["']?value["']?[ \t]{0,3}[:=][ \t]{0,3}["']?(?<value>[^\s"'<>${}]{6,2000})/gi,
    isSecret: isPassword,
  },
  {
    kind: "a password of a command",
    pattern: /\bcurl\b[^\n]{0,200}?[ \t](?:-u|--user)[ =]?["']?[^\s:"']{1,80}:(?<value>[^\s"'$<>{}]{6,120})/g,
    isSecret: isPassword,
  },
  {
    kind: "a password of a command",
    pattern: /\b(?:mysql|mariadb)[a-z]{0,10}\b[^\n]{0,200}?[ \t]-p(?<value>[^\s"'$<>{}]{6,120})/g,
    isSecret: isPassword,
  },
  {
    kind: "a password of a login",
    pattern: /\blogin[ \t]{1,3}\S{1,80}\s{1,10}password[ \t]{1,3}(?<value>[^\s"'$<>{}]{6,120})/g,
    isSecret: isPassword,
  },
  {
    kind: "a password of a command",
    pattern: /\bConvertTo-SecureString[ \t]{1,3}(?:-String[ \t]{1,3})?["'](?<value>[^\s"'$]{6,120})["']/gi,
    isSecret: isPassword,
  },
  {
    kind: "a session's cookie",
    pattern:
      /\b(?:session(?:_?id)?|sid|connect\.sid|phpsessid|jsessionid|auth|csrftoken|xsrf-token)=(?<value>[A-Za-z0-9%._~+/-]{16,400})/gi,
    isSecret: looksRandom,
  },
  {
    kind: "credentials of a request",
    pattern: /\b(?:Bearer|Basic|Token|ApiKey)[ \t]{1,3}(?<value>[A-Za-z0-9+/_.~-]{20,1000}={0,2})/g,
    isSecret: looksRandom,
  },
];

/** Whole values, and words within a value, of one that stands for a secret. */
const STAND_INS = new Set(
  "password passwd pass pwd secret token user root admin postgres guest test foobar".split(" "),
);
const STAND_IN_WORDS = new Set(
  "example sample placeholder changeme change your dummy fake redacted".split(" "),
);

/** Whether `value`, which a password is set to, is one. A path is none: PWD is a directory. */
function isPassword(value: string): boolean {
  return /\d/.test(value) && /\D/.test(value) && !isPlaceholder(value) &&
    !/^(?:[/~.]|[a-z]:[/\\])/i.test(value);
}

/** Whether `value` stands for a secret, or is one that is put in later. */
function isPlaceholder(value: string): boolean {
  const lower = value.toLowerCase();
  return STAND_INS.has(lower) || lower.split(/[^a-z]+/).some((word) => STAND_IN_WORDS.has(word)) ||
    ["${", "{{", "%(", "%{", "<"].some((sign) => value.includes(sign)) ||
    /^[xX*.<>_-]+$/.test(value) || /^[$%]\w+%?$/.test(value) || /^\[[^\]]*\]$/.test(value);
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
