import { createInstrumenter } from "@stryker-mutator/instrumenter";
import { createInjector } from "typed-inject";
import { loggingIn, pointlessIn } from "./pointless.ts";

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

/** Puts every mutant that Stryker's operators find, and that can mean something, into `sources`, the code by path. */
export async function instrument(sources: ReadonlyMap<string, string>): Promise<Instrumented> {
  const instrumenter = createInjector()
    .provideValue("logger", SILENT)
    .provideValue("getLogger", () => SILENT)
    .injectFunction(createInstrumenter as never) as ReturnType<typeof createInstrumenter>;
  const files = Array.from(sources, ([name, content]) => ({ name, content, mutate: true }));
  const options = { plugins: null, excludedMutations: [], ignorers: [], noHeader: true };
  const result = await instrumenter.instrument(files, options);
  const seen = new Map<string, number>();
  const pointless = new Map(Array.from(sources, ([name, content]) => [name, {
    isLogging: loggingIn(content),
    isPointless: pointlessIn(content),
  }]));
  const mutants = result.mutants.flatMap(
    ({ id, fileName: file, location, mutatorName, replacement = "" }) => {
      const text = sources.get(file)!;
      const [from, to] = [offsetOf(text, location.start), offsetOf(text, location.end)];
      const short = { code: oneLine(text.slice(from, to)), replacement: oneLine(replacement) };
      const change = { operator: mutatorName, ...short, from, to };
      const { isLogging, isPointless } = pointless.get(file)!;
      if (isLogging(change)) return [];
      const what = [file, mutatorName, short.code, short.replacement].join(" | ");
      const nth = (seen.get(what) ?? 0) + 1;
      seen.set(what, nth);
      if (isPointless(change)) return [];
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

function oneLine(code: string): string {
  return code.replace(/\s+/g, " ").trim();
}
