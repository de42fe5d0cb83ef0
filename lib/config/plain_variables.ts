/** A variable as a shell writes it. */
interface PlainVariable {
  name: string;
  /** Whether it is `%NAME%`, whose case does not matter, and not `$NAME`. */
  isPercent: boolean;
}

/**
 * `$NAME` at the beginning of a word or of a part of a path, in capitals as variables are: `pa$Sword` and `$1` are none.
 * And `%NAME%`, but not what is escaped in a URL.
 */
const PLAIN =
  /(?<=^|[\s=:;,/\\"'(@])\$([A-Z][A-Z0-9_]+)(?![A-Za-z0-9_$({[])|%([A-Za-z_][A-Za-z0-9_]{2,}(?:\(x86\))?)%/g;

/** The variables in `text` that are written as a shell writes them. */
export function plainVariablesIn(text: string): PlainVariable[] {
  return [...text.matchAll(PLAIN)].map(([, dollar, percent]) =>
    dollar === undefined ? { name: percent!, isPercent: true } : { name: dollar, isPercent: false }
  );
}

/** `text` with the variables in `names` written as `${env:NAME}`, under the name `names` has for each. */
export function withPlainVariables(text: string, names: ReadonlyMap<string, string>): string {
  return text.replace(PLAIN, (whole, dollar?: string, percent?: string) => {
    const name = names.get(dollar ?? percent!);
    return name === undefined ? whole : `\${env:${name}}`;
  });
}

const MAX_NAME_CHARS = 64;

/** What tokens of services begin with. */
const TOKEN =
  /^(?:gh[pousr]_|github_pat|glpat|xox[abprs]|sk_|pk_|rk_|hf_|npm_[A-Za-z0-9]{8}|pypi_|AKIA|ASIA|AIza|ya29|ntn_|sbp_|lin_|figd_|secret_[A-Za-z0-9]{16})/;

/**
 * Whether `text` is written as the names of variables are, and not as a secret: words and short numbers, joined by `_`. A
 * token of letters and digits is a name by the rules of a shell too, so that rules do not tell them apart.
 */
export function isPlainName(text: string): boolean {
  if (text.length > MAX_NAME_CHARS || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(text) || TOKEN.test(text)) {
    return false;
  }
  return text.split("_").every(isWord);
}

const MAX_DIGITS = 4;

/** A word in one case or in camel case, with a number before or after it. */
function isWord(part: string): boolean {
  const [, before = "", letters = "", after = "", rest = ""] =
    /^(\d{0,4})([A-Za-z]{0,20})(\d{0,4})([A-Za-z]{0,3})$/.exec(part) ?? [];
  // "S3", "OAUTH2", "K8S", "2FA"; "1a2b3c" is none, and neither is anything longer.
  if (before + letters + after + rest !== part || before.length + after.length > MAX_DIGITS) return false;
  const capitals = letters.replace(/[^A-Z]/g, "").length;
  const isOneCase = capitals === 0 || capitals === letters.length;
  return isOneCase || (/^[A-Za-z]?[a-z]+(?:[A-Z][a-z]+)*(?:[A-Z]+)?$/.test(letters) && capitals <= 4);
}
