import { assert } from "@std/assert";
import type { Desk } from "./desk.ts";
import { codeBlocks } from "./pages.ts";

/** One symptom of a page: what is shown, what is done about it, and what is shown then. */
interface Symptom {
  title: string;
  /** What the programs say, in the order of the page; `…` stands for anything. */
  said: string[];
  /** What is typed. */
  cures: string[];
  /** What is to be written into a file. */
  files: string[];
}

/** The symptoms of a page, by their heading. */
export function symptomsOf(page: string): Map<string, Symptom> {
  const parts = page.split(/^### /m).slice(1).map((part) => part.split(/^## /m)[0]!);
  return new Map(parts.map((part) => {
    const title = part.slice(0, part.indexOf("\n"));
    const blocks = (language: string) => codeBlocks(part, [language]).map((text) => text.trimEnd());
    return [title, { title, said: blocks("text"), cures: blocks("sh"), files: blocks("json") }];
  }));
}

const PAGE = symptomsOf(
  await Deno.readTextFile(new URL("../../docs/troubleshooting.md", import.meta.url)),
);

/** The symptom with this heading in docs/troubleshooting.md. */
export function symptom(title: string): Symptom {
  const found = PAGE.get(title);
  if (!found) throw new Error(`docs/troubleshooting.md has no ${title}`);
  return found;
}

/** What `said` has to have in it: what the page shows as the `n`th text of the symptom. */
export function assertShows({ said: shown, title }: Symptom, said: string, n = 0): void {
  const text = shown.at(n);
  if (text === undefined) throw new Error(`${title}: nothing more is shown`);
  const escape = (part: string) =>
    part.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/\s+/g, "\\s+");
  const pattern = new RegExp(text.split("…").map(escape).join("[\\s\\S]*?"));
  assert(pattern.test(said), `${title}: the page shows\n${text}\nand the program says\n${said}`);
}

/**
 * Types the commands of the symptom, with `values` for the words in capitals, and sees what the page shows then.
 *
 * @returns all that was said
 */
export async function cure(
  desk: Desk,
  one: Symptom,
  { values = {}, ...options }: { values?: Readonly<Record<string, string>> } & Parameters<Desk["run"]>[1] =
    {},
): Promise<string> {
  assert(one.cures.length > 0, `${one.title} has no cure`);
  let script = one.cures.join("\n");
  for (const [word, value] of Object.entries(values)) {
    script = script.replaceAll(new RegExp(`\\b${word}\\b`, "g"), value);
  }
  const { said } = await desk.run(script, options);
  if (one.said.length > 1) assertShows(one, said, -1);
  return said;
}
