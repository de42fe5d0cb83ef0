/**
 * What the instrumented code calls. The tree it lies in says in `.mutate/` which mutant is awake and whether to note
 * which are reached: through files, since not every program a test starts is given our environment.
 */
const DIR = new URL("../../.mutate/", import.meta.url);

const active = read("active");
const coverage = read("coverage");

/** Mutants this program has reached and not yet written down. */
const reached = new Set<string>();
const written = new Set<string>();

export function isActive(id: string): boolean {
  return id === active;
}

/** Under this name a program that runs tests says that it takes what was reached by itself. */
export const TAKE_REACHED = Symbol.for("exai.mutate.takeReached");

export const cover: (...ids: string[]) => boolean = coverage === undefined ? () => false : (...ids) => {
  for (const id of ids) reached.add(id);
  // The program that runs the tests writes at the end of each; another may be killed at any time.
  if (!(TAKE_REACHED in globalThis)) writeReached();
  return true;
};

/** What was reached since the last time. */
export function takeReached(): string[] {
  const ids = [...reached];
  reached.clear();
  return ids;
}

/** Adds one line to what is known of the run. */
export function note(line: unknown): void {
  if (coverage === undefined) return;
  try {
    Deno.writeTextFileSync(coverage, JSON.stringify(line) + "\n", { append: true });
  } catch {
    // A program of another user, or one without the right to write, goes unseen.
  }
}

function writeReached(): void {
  const fresh = takeReached().filter((id) => !written.has(id));
  if (fresh.length === 0) return;
  for (const id of fresh) written.add(id);
  note({ reached: fresh });
}

function read(name: string): string | undefined {
  try {
    return Deno.readTextFileSync(new URL(name, DIR)) || undefined;
  } catch {
    return undefined;
  }
}
