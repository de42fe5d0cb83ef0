/** A regular expression in a source file: a literal, or one built with `RegExp`. */
export interface FoundRegex {
  path: string;
  /** The literal as it stands, or the expression that builds it. */
  text: string;
  /** Pattern and flags of a literal. */
  literal?: { pattern: string; flags: string };
}

/**
 * The regular expressions of one source file. Uses the parser that `deno lint` gives its plugins; it is there under
 * `deno test` only.
 */
export function regexesIn(path: string, source: string): FoundRegex[] {
  const found: FoundRegex[] = [];
  const create = (context: Deno.lint.RuleContext): Deno.lint.LintVisitor => ({
    Literal: (node) => {
      const { regex } = node as unknown as { regex?: { pattern: string; flags: string } };
      const text = context.sourceCode.getText(node as Deno.lint.Node);
      if (regex || /^\/.+\/[a-z]*$/.test(text)) {
        const end = text.lastIndexOf("/");
        found.push({ path, text, literal: { pattern: text.slice(1, end), flags: text.slice(end + 1) } });
      }
    },
    NewExpression: (node) => {
      const text = context.sourceCode.getText(node);
      if (text.startsWith("new RegExp")) found.push({ path, text });
    },
    CallExpression: (node) => {
      const text = context.sourceCode.getText(node);
      if (text.startsWith("RegExp(")) found.push({ path, text });
    },
  });
  const failed = Deno.lint.runPlugin({ name: "regexes", rules: { read: { create } } }, path, source);
  if (failed.length > 0) throw new Error(`${path}: ${failed[0]!.message}`);
  return found;
}

/** Lengths that are tried; at the last, time that grows with the square stands out a thousandfold. */
const CHARS = [512, 2048, 16_384];
/** What nothing but a class of nearly all characters takes, and what not even `.` does. */
const END = "\u0001\n\u0001";
/** What time growing in step with the text never comes near, for so short a text. */
const NOTICEABLE_MS = 20;
/** Growing in step: 8 times. With the square: 64. */
const MAX_GROWTH = 24;
/** Runs of which the fastest counts: a run that was held up says nothing, and a short one is soon held up for its length. */
const LONG_RUNS = 3;
const SHORT_RUNS = 10;

/**
 * The input, of those made from the expression's own characters and words, for which its time grows faster than the
 * text; undefined when there is none. A busy machine makes none, and hides none: only the fastest of several runs counts.
 */
export function slowInput(pattern: string, flags: string): string | undefined {
  // Without a repetition an attempt at each position takes constant time.
  if (!/[*+{]/.test(pattern)) return undefined;
  const regex = new RegExp(pattern, flags);
  const { pumps, heads } = partsOf(pattern);
  for (const pump of pumps) {
    for (const head of heads) {
      const input = (chars: number) => head + pump.repeat(Math.ceil(chars / pump.length)) + END;
      if (growsTooFast((chars) => timeMs(regex, input(chars)))) return `${head}(${pump})*`;
    }
  }
  return undefined;
}

/** Whether `measure`, the time for a text of so many characters in milliseconds, grows faster than the text. */
export function growsTooFast(measure: (chars: number) => number): boolean {
  const fastest = (chars: number, runs: number) =>
    Math.min(...Array.from({ length: runs }, () => measure(chars)));
  for (const chars of CHARS) {
    // A run that took long because it was held up must not keep the longer texts from being tried.
    if (measure(chars) < NOTICEABLE_MS) continue;
    const longMs = fastest(chars, LONG_RUNS);
    if (longMs < NOTICEABLE_MS) continue;
    return longMs > MAX_GROWTH * fastest(chars / 8, SHORT_RUNS);
  }
  return false;
}

function timeMs(regex: RegExp, text: string): number {
  const startedMs = performance.now();
  text.replace(regex, "");
  return performance.now() - startedMs;
}

/** Texts to repeat and to begin with: characters and words of the pattern, alone and in pairs. */
function partsOf(pattern: string): { pumps: string[]; heads: string[] } {
  // `\s` and `\d` are classes, not the letters s and d.
  const plain = pattern.replaceAll(/\\[a-zA-Z]/g, "\u0002").replaceAll("\\", "");
  const words = [...new Set(plain.match(/[A-Za-z0-9_]{2,}/g) ?? [])].slice(0, 12);
  const marks = [...new Set(plain.replaceAll("\u0002", "").replaceAll(/[A-Za-z0-9]/g, ""))].slice(0, 12);
  const backslash = pattern.includes("\\\\") ? ["\\"] : [];
  const chars = [...new Set([...backslash, " ", "\n", "a", "A", "0", "-", ".", ...marks])];
  const joined = words.flatMap((word) => chars.map((char) => word + char));
  const pairs = chars.flatMap((one) => chars.map((two) => one + two));
  const head = plain.match(/^\^?([A-Za-z0-9 :/`"<-]+)/)?.[1] ?? "";
  const begun = words.slice(0, 3).map((word) => `${word} `);
  return {
    pumps: [...new Set([...chars, ...words, ...joined, ...pairs])],
    heads: [...new Set(["", "\u0001", head, ...begun])],
  };
}
