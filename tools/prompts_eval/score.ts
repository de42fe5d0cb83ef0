import type { Fault, Place, Planted, Spot } from "./planted.ts";

/** What a model reported as one fault. */
export interface Finding {
  /** Where, as the model wrote it. */
  location: string;
  /** All that it says. */
  text: string;
}

/** How the findings of one answer compare with the key. */
export interface Score {
  /** Faults reported at their place as what they are, with the index of the finding. */
  found: { fault: string; finding: number }[];
  /** Faults at whose place something else was reported. */
  placeOnly: { fault: string; finding: number }[];
  missed: string[];
  /** Findings that take correct code for a fault: a decoy. */
  falseAlarms: number[];
  /** Findings about anything else; they may be right. */
  others: number[];
}

/** How many lines beside its place a fault may be reported. */
const NEAR_LINES = 2;

/** A fault and a finding that may be about it. */
interface Pair {
  fault: Fault;
  finding: number;
  distance: number;
  isKind: boolean;
}

/**
 * Compares findings with the planted faults. A finding counts for one fault at most and a fault is found once; the
 * same input gives the same score.
 */
export function scoreFindings(
  findings: readonly Finding[],
  { faults, decoys, files }: Pick<Planted, "faults" | "decoys" | "files">,
): Score {
  const places = findings.map(({ location }) => placesIn(location, files));
  const pairs = faults.flatMap((fault) =>
    findings.flatMap(({ text }, finding): Pair[] => {
      const distance = distanceOf(places[finding]!, fault.places);
      return distance > NEAR_LINES ? [] : [{ fault, finding, distance, isKind: isOfKind(text, fault) }];
    })
  );
  const ranked = pairs.toSorted((a, b) => Number(b.isKind) - Number(a.isKind) || a.distance - b.distance);
  const taken = new Map<string, Pair>();
  const used = new Set<number>();
  for (const pair of ranked) {
    if (taken.has(pair.fault.id) || used.has(pair.finding)) continue;
    taken.set(pair.fault.id, pair);
    used.add(pair.finding);
  }
  const of = (isKind: boolean) =>
    faults.flatMap(({ id }) => {
      const pair = taken.get(id);
      return pair?.isKind === isKind ? [{ fault: id, finding: pair.finding }] : [];
    });
  const rest = findings.map((_, i) => i).filter((i) => !used.has(i));
  // A second finding about a fault that is found already is neither false nor another fault.
  const further = rest.filter((i) => !pairs.some(({ finding, isKind }) => finding === i && isKind));
  const falseAlarms = further.filter((i) =>
    decoys.some((decoy) => distanceOf(places[i]!, decoy.places) === 0 && isOfKind(findings[i]!.text, decoy))
  );
  return {
    found: of(true),
    placeOnly: of(false),
    missed: faults.map(({ id }) => id).filter((id) => !taken.has(id)),
    falseAlarms,
    others: further.filter((i) => !falseAlarms.includes(i)),
  };
}

function isOfKind(text: string, { words }: Spot): boolean {
  return words.some((word) => word.test(text));
}

/** How many lines lie between the closest two places; infinite for different files. */
function distanceOf(places: readonly Place[], others: readonly Place[]): number {
  const distances = places.flatMap((place) =>
    others.filter(({ file }) => file === place.file)
      .map((other) => Math.max(0, other.from - place.to, place.from - other.to))
  );
  return Math.min(Infinity, ...distances);
}

/**
 * The places that a text names, in any of the usual ways: `path:12`, `path:12-15`, `path#L12`, `path, line 12`,
 * `path (lines 12 to 15)`. Paths may be absolute or shortened to the name of the file.
 */
export function placesIn(text: string, files: readonly string[]): Place[] {
  return files.flatMap((file) => {
    const names = [file, file.split("/").at(-1)!].map(RegExp.escape).join("|");
    const numbers = String.raw`[\s:#,(\['\"*\x60]*(?:L|lines?\s*)?(\d+)(?:\s*(?:-|–|to|,)\s*L?(\d+))?`;
    const pattern = new RegExp(`(?:^|[^\\w.-])(?:${names})${numbers}`, "gi");
    return Array.from(text.replaceAll("\\", "/").matchAll(pattern), ([, first, last]) => {
      const [from, to] = [Number(first), Number(last ?? first)];
      return { file, from: Math.min(from, to), to: Math.max(from, to) };
    });
  });
}
