import { createInstrumenter } from "@stryker-mutator/instrumenter";
import { createInjector } from "typed-inject";

/** One small change of the code that a test should notice. */
export interface Mutant {
  /** Names it in one instrumented tree. */
  id: string;
  /** Names it whatever is changed around it. */
  key: string;
  /** From the repository's root. */
  file: string;
  /** Counted from 1. */
  line: number;
  operator: string;
  /** What stands there, and what takes its place; on one line each. */
  code: string;
  replacement: string;
}

export interface Instrumented {
  mutants: Mutant[];
  /** The code with every mutant in it, each asleep until it is named, by path. */
  files: ReadonlyMap<string, string>;
}

/** The names Stryker gives its two functions in the code; `runtime.ts` has what they do. */
export const RUNTIME_NAMES = { isActive: "stryMutAct_9fa48", cover: "stryCov_9fa48" } as const;

/** Puts every mutant that Stryker's operators find into `sources`, the code by path. */
export async function instrument(sources: ReadonlyMap<string, string>): Promise<Instrumented> {
  const instrumenter = createInjector()
    .provideValue("logger", SILENT)
    .provideValue("getLogger", () => SILENT)
    .injectFunction(createInstrumenter as never) as ReturnType<typeof createInstrumenter>;
  const files = Array.from(sources, ([name, content]) => ({ name, content, mutate: true }));
  const options = { plugins: null, excludedMutations: [], ignorers: [], noHeader: true };
  const result = await instrumenter.instrument(files, options);
  const seen = new Map<string, number>();
  const logged = new Map(Array.from(sources, ([name, content]) => [name, logRanges(content)]));
  const mutants = result.mutants.flatMap(
    ({ id, fileName: file, location, mutatorName, replacement = "" }) => {
      const text = sources.get(file)!;
      const [from, to] = [offsetOf(text, location.start), offsetOf(text, location.end)];
      if (onlyLogs(text, { from, to, logged: logged.get(file)! })) return [];
      const short = { code: oneLine(text.slice(from, to)), replacement: oneLine(replacement) };
      const what = [file, mutatorName, short.code, short.replacement].join(" | ");
      const nth = (seen.get(what) ?? 0) + 1;
      seen.set(what, nth);
      return [{
        id,
        key: `${what} | ${nth}`,
        file,
        line: location.start.line + 1,
        operator: mutatorName,
        ...short,
      }];
    },
  );
  return { mutants, files: new Map(result.files.map(({ name, content }) => [name, content])) };
}

interface Position {
  line: number;
  column: number;
}

function offsetOf(text: string, { line, column }: Position): number {
  let at = 0;
  for (let i = 0; i < line; i++) at = text.indexOf("\n", at) + 1;
  return at + column;
}

/** Whether what stands there is part of what is logged, or a block that does nothing but log. */
function onlyLogs(
  text: string,
  { from, to, logged }: { from: number; to: number; logged: readonly [number, number][] },
): boolean {
  if (logged.some(([start, end]) => start <= from && to <= end)) return true;
  const inside = logged.filter(([start, end]) => from < start && end <= to);
  if (inside.length === 0) return false;
  let rest = "";
  let at = from;
  for (const [start, end] of inside) {
    rest += text.slice(at, start);
    at = end;
  }
  return /^\s*\{\s*(return)?\s*\}\s*$/.test(rest + text.slice(at, to));
}

/**
 * Where in `text` something is logged, from the name to the closing parenthesis: what the log says, and under what
 * name, is not held by tests.
 */
function logRanges(text: string): [number, number][] {
  const ranges: [number, number][] = [];
  for (const { index } of text.matchAll(/(?<![\w.])(?:log\.\w+|getLogger)\(/g)) {
    let depth = 0;
    let end = index;
    do {
      if (text[end] === "(") depth++;
      if (text[end] === ")" && --depth === 0) break;
    } while (++end < text.length);
    // With the semicolon, since a whole statement may be taken out.
    ranges.push([index, end + 2]);
  }
  return ranges;
}

function oneLine(code: string): string {
  return code.replace(/\s+/g, " ").trim();
}

const quiet = () => {};
const no = () => false;

const SILENT = {
  isTraceEnabled: no,
  isDebugEnabled: no,
  isInfoEnabled: no,
  isWarnEnabled: no,
  isErrorEnabled: no,
  isFatalEnabled: no,
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  fatal: quiet,
};
