/** One change of the code, and where in its file it is. */
export interface Change {
  operator: string;
  /** What stands there, and what takes its place; on one line each. */
  code: string;
  replacement: string;
  /** Of what stands there: its first character and the one after its last. */
  from: number;
  to: number;
}

type Range = readonly [from: number, to: number];

/** Ways to write something to the log, and nothing else. */
const LOGGING = /(?<![\w.])(?:log\.\w+|getLogger|logHandlingFault)\(/g;
/** `contained` takes the name under which it logs what is thrown; the rest is no log. */
const LOG_NAME = /(?<![\w.])contained\("[^"]*"/g;
/** An abort signal aborts once, so that its listeners are called once whether they ask for that or not. */
const ABORT_LISTENING = /\.addEventListener\("abort",/g;

const CLOCK = /\b(?:performance\.now|monotonicNow)\(\)/;
const OF_SYSTEM = /^Deno\.build\.os [!=]== "(\w+)"$/;
const TYPE_TEST = /\btypeof [\w.?!#()[\] ]+ [!=]== $/;

/** Finds the changes of `text` that affect only log output. */
export function loggingIn(text: string): (change: Change) => boolean {
  const logged = [...calls(text, LOGGING), ...matches(text, LOG_NAME)];
  return (change) => onlyLogs(text, change, logged);
}

/**
 * Finds the other changes of `text` that can mean nothing, whatever the tests are:
 *
 * - `once` for a listener of an abort signal, which aborts once,
 * - `<` for `<=`, or the like, beside a reading of the clock: the two differ for one instant in a billion,
 * - which system this is asked to be, where it is none of the two: on this one nothing can be said of another,
 * - `typeof x === ""`, which never holds: the whole test is replaced by `false` in another change.
 */
export function pointlessIn(text: string): (change: Change) => boolean {
  const abortListening = calls(text, ABORT_LISTENING);
  return (change) =>
    isOnceOfAbort(text, change, abortListening) || isInstant(change) || isOtherSystem(text, change) ||
    isNoType(text, change);
}

/** Whether what stands there is part of what is logged, or a block or function that does nothing but log. */
function onlyLogs(text: string, { from, to }: Change, logged: readonly Range[]): boolean {
  if (logged.some(([start, end]) => start <= from && to <= end)) return true;
  const inside = logged.filter(([start, end]) => from < start && end <= to);
  if (inside.length === 0) return false;
  let rest = "";
  let at = from;
  for (const [start, end] of inside) {
    rest += text.slice(at, start);
    at = end;
  }
  rest += text.slice(at, to);
  return /^\s*\{\s*(return)?\s*\}\s*$/.test(rest) || /^(\w+|\([\w\s,:]*\)) => *$/.test(rest);
}

function isOnceOfAbort(text: string, { code, from, to }: Change, listening: readonly Range[]): boolean {
  if (code !== "{ once: true }" && !(code === "true" && /\{ once: $/.test(before(text, from)))) {
    return false;
  }
  return listening.some(([start, end]) =>
    start < from && to < end && /^[ }]*\);?$/.test(text.slice(to, end))
  );
}

function isInstant({ operator, code, replacement }: Change): boolean {
  if (operator !== "EqualityOperator" || !CLOCK.test(code)) return false;
  const strict = (comparison: string) => comparison.replace(/([<>])=/, "$1");
  return strict(code) === strict(replacement);
}

function isOtherSystem(text: string, { operator, code, replacement, from }: Change): boolean {
  if (operator === "StringLiteral") {
    return /Deno\.build\.os [!=]== $/.test(before(text, from)) &&
      code !== JSON.stringify(Deno.build.os);
  }
  const asked = OF_SYSTEM.exec(code)?.[1];
  if (operator !== "ConditionalExpression" || asked === undefined || asked === Deno.build.os) return false;
  return replacement === String(code.includes("!=="));
}

function isNoType(text: string, { operator, replacement, from }: Change): boolean {
  return operator === "StringLiteral" && replacement === '""' && TYPE_TEST.test(before(text, from));
}

/** As much of what stands in front of `at` as one of the patterns needs. */
function before(text: string, at: number): string {
  return text.slice(Math.max(0, at - 80), at);
}

/** Where `text` calls what `pattern` finds, from the name to the closing parenthesis or the semicolon after it. */
function calls(text: string, pattern: RegExp): Range[] {
  return Array.from(text.matchAll(pattern), ({ index }) => {
    let depth = 0;
    let end = index;
    do {
      if (text[end] === "(") depth++;
      if (text[end] === ")" && --depth === 0) break;
    } while (++end < text.length);
    // With the semicolon, since a whole statement may be taken out.
    return [index, end + (text[end + 1] === ";" ? 2 : 1)];
  });
}

function matches(text: string, pattern: RegExp): Range[] {
  return Array.from(text.matchAll(pattern), ({ index, 0: { length } }) => [index, index + length]);
}
