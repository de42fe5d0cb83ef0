import { visible } from "../../base/visible.ts";
import { findKeys, PRIVATE_KEY } from "./private_keys.ts";
import { findTokens, type Span } from "./secret_tokens.ts";

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

/**
 * `text` with the secrets in it replaced by what they are; the number of lines stays.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { replaceSecrets } from "./secrets.ts";
 *
 * const { text, secrets } = replaceSecrets(`\nkey = "ghp_${"a1".repeat(18)}"`, { keysOnly: false });
 * assertEquals(text, '\nkey = "[not shown: a GitHub token]"');
 * assertEquals(secrets, [{ kind: "a GitHub token", line: 2 }]);
 * ```
 */
export function replaceSecrets(text: string, { keysOnly }: RedactOptions): Redaction {
  const spans = keysOnly ? findKeys(text) : [...findKeys(text), ...findTokens(text)];
  if (spans.length === 0) return { text, secrets: [] };
  return replace(text, spans.sort((a, b) => a.start - b.start));
}

/** A name or a reason as it is shown: visible, in bounded space, without secrets. */
export function shownName(text: string, maxChars: number): string {
  return visible(replaceSecrets(text, { keysOnly: false }).text, maxChars);
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
