import { loadOf, type SubjectResult } from "./result.ts";
import type { Shape } from "./subject.ts";

export const ERAS_TITLE = "Eras of MCP (p50 of a call through a shim, ms; x: times that of 2025 with 2025)";

/** Pairs of one build; the first is that of the older eras. */
const PAIRS = 4;

export function eraShapes(results: readonly SubjectResult[]): Shape[] {
  const [loads = []] = results.flatMap(({ loads }) => loads?.length ? [loads] : []);
  return loads.map(({ shape }) => shape);
}

/** A row for each pair of eras: what a call takes in each shape, and how many times that of the older eras. */
export function eraRows(results: readonly SubjectResult[]): string[][] {
  return results.map((result, i) => {
    const older = results[i - i % PAIRS]!;
    const cells = eraShapes(results).flatMap((shape) => {
      const [tookMs, olderMs] = [loadOf(result, shape)?.p50Ms, loadOf(older, shape)?.p50Ms];
      return [tookMs?.toFixed(3) ?? "-", tookMs && olderMs ? (tookMs / olderMs).toFixed(2) : "-"];
    });
    return [result.name, ...cells, result.unavailable ?? failureOf(result)];
  });
}

function failureOf({ loads = [] }: SubjectResult): string {
  return loads.find(({ failure }) => failure !== undefined)?.failure ?? "";
}
