import type { Place, Planted, Spot } from "./planted.ts";

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

/** A finding that may be about a fault. */
interface Candidate {
  finding: number;
  distance: number;
  isKind: boolean;
}

/** The finding that counts for each fault, by the index of the fault. */
type Matching = Map<number, number>;

/**
 * Compares findings with the planted faults. A finding counts for one fault at most and a fault is found once; as many
 * are found as can be, and the same input gives the same score.
 */
export function scoreFindings(
  findings: readonly Finding[],
  { faults, decoys, files }: Pick<Planted, "faults" | "decoys" | "files">,
): Score {
  const places = findings.map(({ location }) => placesIn(location, files));
  const candidates = faults.map((fault) =>
    findings.flatMap(({ text }, finding): Candidate[] => {
      const distance = distanceOf(places[finding]!, fault.places);
      return distance > NEAR_LINES ? [] : [{ finding, distance, isKind: isOfKind(text, fault) }];
    }).toSorted((a, b) => a.distance - b.distance || a.finding - b.finding)
  );
  const found = match(candidates.map((some) => some.filter(({ isKind }) => isKind)));
  // A second finding about a fault that is found already is neither false nor about another fault.
  const named = new Set(candidates.flat().filter(({ isKind }) => isKind).map(({ finding }) => finding));
  const placeOnly = match(
    candidates.map((some, fault) =>
      found.has(fault) ? [] : some.filter(({ finding }) => !named.has(finding))
    ),
  );
  const used = new Set([...named, ...placeOnly.values()]);
  const further = findings.map((_, i) => i).filter((i) => !used.has(i));
  const falseAlarms = further.filter((i) =>
    decoys.some((decoy) => distanceOf(places[i]!, decoy.places) === 0 && isOfKind(findings[i]!.text, decoy))
  );
  const listed = (matching: Matching) =>
    faults.flatMap(({ id }, i) => matching.has(i) ? [{ fault: id, finding: matching.get(i)! }] : []);
  return {
    found: listed(found),
    placeOnly: listed(placeOnly),
    missed: faults.filter((_, i) => !found.has(i) && !placeOnly.has(i)).map(({ id }) => id),
    falseAlarms,
    others: further.filter((i) => !falseAlarms.includes(i)),
  };
}

/** Gives as many faults as possible a finding of their own, closest first (Kuhn's algorithm). */
function match(candidates: readonly (readonly Candidate[])[]): Matching {
  const faultOf = new Map<number, number>();
  const assign = (fault: number, tried: Set<number>): boolean =>
    candidates[fault]!.some(({ finding }) => {
      if (tried.has(finding)) return false;
      tried.add(finding);
      const other = faultOf.get(finding);
      if (other !== undefined && !assign(other, tried)) return false;
      faultOf.set(finding, fault);
      return true;
    });
  for (const fault of candidates.keys()) assign(fault, new Set());
  return new Map(Array.from(faultOf, ([finding, fault]) => [fault, finding]));
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
