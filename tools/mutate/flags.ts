import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../lib/run_tool.ts";

export const ROOMS = ["session", "upstream", "router", "admission", "shim"];

export const HELP =
  `deno task mutate [--file PATH[:LINE]] [--room NAME] [--sample N] [--seed N] [--jobs N] ...

Changes the code in one small way at a time and runs the tests that reach the changed place. What no test notices is
a survivor. Without --file and --room: ${ROOMS.join(", ")}.
Changes that can mean nothing, whatever the tests are, are not made: of what the log says; of \`once\` for a listener of
an abort signal, which aborts once; from < to <= beside a reading of the clock; of the name of another system than this
one; of a type's name to "", which the change of the whole test to \`false\` is already.

  --file PATH[:LINE]  only the mutants of this file of lib/, or of this line of it; may be given more than once
  --room NAME         only this room of lib/; may be given more than once
  --operator NAME     only mutants of this operator (as the list names it); may be given more than once
  --survivors         only mutants that lived when they were last tried
  --sample N          so many of them, chosen by --seed; all
  --seed N            1
  --jobs N            so many at once; 1
  --max-seconds N     begin no further file of tests for a mutant after this; 120
  --minutes N         try no further mutant after this, and report those that were tried; no end
  --list              say what the mutants are and what reaches them, and run nothing
  --resume            do not try again what was tried on this code before, by a run that was cut off
  --fresh             measure anew what each test reaches, which takes as long as all tests
  --tests PATH        use only the tests of this file; may be given more than once
  --report            write docs/reports/mutation.md

What each test reaches is measured by the first run and kept; a file of tests that has changed is measured again, and
code that has changed is taken to be reached by every test that uses its file, and a module of nothing but data by every
test that loads it. A file of tests that fails with no mutant awake is named in a warning.`;

export interface Flags {
  files: { path: string; line?: number }[];
  rooms: string[];
  operators: string[];
  tests: string[];
  survivors: boolean;
  sample: number;
  seed: number;
  jobs: number;
  maxSeconds: number;
  minutes: number;
  list: boolean;
  resume: boolean;
  fresh: boolean;
  report: boolean;
  help: boolean;
}

const NUMBERS = ["sample", "seed", "jobs", "max-seconds", "minutes"] as const;
const LISTS = ["file", "room", "operator", "tests"] as const;

export function readFlags(args: string[]): Flags {
  const parsed = parseArgs(args, {
    string: [...NUMBERS, ...LISTS],
    boolean: ["survivors", "list", "resume", "fresh", "report", "help"],
    collect: [...LISTS],
    default: { seed: "1", jobs: "1", "max-seconds": "120", sample: "Infinity", minutes: "Infinity" },
    unknown: (arg: string) => {
      throw new UsageError(`${arg} is not known; --help lists what is`);
    },
  });
  const number = (name: typeof NUMBERS[number]) => {
    if (Number(parsed[name]) > 0) return Number(parsed[name]);
    throw new UsageError(`--${name} must be a number above 0`);
  };
  const { survivors, list, resume, fresh, report, help, operator, tests } = parsed;
  return {
    files: (parsed.file as string[]).map(readPlace),
    rooms: parsed.room as string[],
    operators: operator as string[],
    tests: (tests as string[]).map((path) => path.replace(/^\.\//, "")),
    sample: number("sample"),
    seed: number("seed"),
    jobs: number("jobs"),
    maxSeconds: number("max-seconds"),
    minutes: number("minutes"),
    ...{ survivors, list, resume, fresh, report, help },
  };
}

function readPlace(text: string): { path: string; line?: number } {
  const [, path, line] = /^(?:\.\/)?(.+?)(?::(\d+))?$/.exec(text)!;
  if (!path!.startsWith("lib/")) throw new UsageError(`--file ${text}: give a file of lib/, from the root`);
  return { path: path!, line: line === undefined ? undefined : Number(line) };
}
