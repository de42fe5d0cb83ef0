import { fromFileUrl, join, relative } from "@std/path";
import kinds from "../../tests/fixtures/planted/kinds.json" with { type: "json" };
import { filesBelow } from "../../tests/helpers/files_below.ts";

/** What a fault harms; each tool looks for some of these. */
export type Category = "correctness" | "concurrency" | "resource" | "performance" | "security" | "smell";

/** Lines of a file, both inclusive. */
export interface Place {
  file: string;
  from: number;
  to: number;
}

/** Something at a place that a tool may report. */
export interface Spot {
  kind: string;
  /** The first is where it is; a finding at another is at the right place too. */
  places: readonly Place[];
  /** By which a finding is recognised as one of this kind. */
  words: readonly RegExp[];
}

/** A planted fault. */
export interface Fault extends Spot {
  /** Unique within the repository. */
  id: string;
  category: Category;
  what: string;
  /** Whether it came with the change that a check before a commit sees. */
  inChange: boolean;
}

/** A small repository with planted faults, and correct code that looks like a fault. */
export interface Planted {
  name: string;
  language: string;
  about: string;
  /** What the change between `before` and the repository means to do; undefined where there is none. */
  change?: string;
  /** The directory that is shown to models. */
  dir: string;
  /** The directory of the files as they were before the change. */
  before: string;
  /** From `dir`, with forward slashes. */
  files: readonly string[];
  faults: readonly Fault[];
  decoys: readonly Spot[];
  symptoms: readonly { fault: string; report: string }[];
}

/** A place as a key gives it: a text that is in the file once. */
interface SpotKey {
  kind: string;
  file: string;
  at: string;
  /** How many lines it takes; those of `at` by default. */
  lines?: number;
  /** Further texts of the same file, or of another as `path: text`. */
  also?: string[];
  /** In place of the words of the kind. */
  words?: string[];
}

interface PlantedKey extends Pick<Planted, "language" | "about" | "change" | "symptoms"> {
  faults: (SpotKey & { id: string; what: string; change?: boolean })[];
  decoys: SpotKey[];
}

const KINDS: Readonly<Record<string, { of: string; words: string[]; cwe: number[] }>> = kinds;

const ROOT = fromFileUrl(new URL("../../tests/fixtures/planted/", import.meta.url));

/**
 * Reads all repositories, by name.
 *
 * @throws naming the key that does not fit its files
 */
export async function readPlanted(root = ROOT): Promise<Planted[]> {
  const entries = await Array.fromAsync(Deno.readDir(root));
  const names = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name).toSorted();
  return await Promise.all(names.map((name) => readOne(join(root, name), name)));
}

async function readOne(root: string, name: string): Promise<Planted> {
  const key = JSON.parse(await Deno.readTextFile(join(root, "key.json"))) as PlantedKey;
  const dir = join(root, "repo");
  const paths = await Array.fromAsync(filesBelow(dir));
  const files = paths.map((path) => relative(dir, path).replaceAll("\\", "/")).toSorted();
  const texts = new Map(
    await Promise.all(files.map(async (file) => [file, await Deno.readTextFile(join(dir, file))] as const)),
  );
  const { language, about, change, symptoms } = key;
  const faults = key.faults.map((fault): Fault => ({
    ...toSpot(fault, texts, name),
    id: fault.id,
    category: kindOf(fault, name).of as Category,
    what: fault.what,
    inChange: fault.change === true,
  }));
  const unknown = symptoms.find(({ fault }) => !faults.some(({ id }) => id === fault));
  if (unknown) throw new Error(`${name}: a symptom names ${unknown.fault}, which is no fault`);
  const decoys = key.decoys.map((decoy) => toSpot(decoy, texts, name));
  return {
    name,
    language,
    about,
    change,
    dir,
    before: join(root, "before"),
    files,
    faults,
    decoys,
    symptoms,
  };
}

function kindOf({ kind }: SpotKey, repository: string) {
  const found = KINDS[kind];
  if (found === undefined) throw new Error(`${repository}: kinds.json has no ${kind}`);
  return found;
}

function toSpot(key: SpotKey, texts: ReadonlyMap<string, string>, repository: string): Spot {
  const { words, cwe } = kindOf(key, repository);
  const first = locate(key.file, key.at, { texts, repository, lines: key.lines });
  const others = (key.also ?? []).map((also) => {
    const [, file, at] = /^([\w./-]+): (.+)$/s.exec(also) ?? [];
    return file !== undefined && texts.has(file)
      ? locate(file, at!, { texts, repository })
      : locate(key.file, also, { texts, repository });
  });
  return {
    kind: key.kind,
    places: [first, ...others],
    words: [...key.words ?? words, ...cwe.map((id) => `cwe-${id}\\b`)].map((word) => new RegExp(word, "i")),
  };
}

interface LocateOptions {
  texts: ReadonlyMap<string, string>;
  repository: string;
  lines?: number;
}

function locate(file: string, at: string, { texts, repository, lines }: LocateOptions): Place {
  const parts = (texts.get(file) ?? "").split(at);
  if (parts.length !== 2) {
    throw new Error(`${repository}: ${JSON.stringify(at)} is ${parts.length - 1} times in ${file}, not once`);
  }
  const from = parts[0]!.split("\n").length;
  const ownLines = at.trimEnd().split("\n").length;
  return { file, from, to: from + (lines ?? ownLines) - 1 };
}
