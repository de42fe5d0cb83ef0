import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";

/** The longest pattern, in characters. */
export const MAX_PATTERN_CHARS = 200;

/** The largest compiled pattern, in RE2 instructions: the worst-case cost per character. */
const MAX_INSTRUCTIONS = 1000;

/** The part of a line that is matched. */
const MAX_LINE_CHARS = 2000;

/** Matching yields to the event loop after this time, in milliseconds. */
const SLICE_MS = 5;

/** The time limit of all slices together, in milliseconds. */
const MAX_MATCHING_MS = SECOND_MS;

/**
 * Returns the lines that match `pattern`. The caller's pattern is untrusted, so RE2 matches it: in linear time, without
 * lookaround and backreferences.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for a pattern that RE2 does not support or that is too costly; the abort reason
 * of `signal`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { filterLines } from "./line_filter.ts";
 *
 * const { signal } = new AbortController();
 * assertEquals(await filterLines(["chat ok", "debug failed"], "ok$", signal), ["chat ok"]);
 * ```
 */
export async function filterLines(
  lines: readonly string[],
  pattern: string,
  signal: AbortSignal,
): Promise<string[]> {
  // Loaded on first use: most daemons never need it.
  const { RE2JS } = await import("re2js");
  let sliceStartMs = performance.now();
  const regex = compile(RE2JS, pattern);
  const matching: string[] = [];
  let matchingMs = 0;
  for (const line of lines) {
    if (regex.matcher(line.slice(0, MAX_LINE_CHARS)).find()) matching.push(line);
    const sliceMs = performance.now() - sliceStartMs;
    if (sliceMs < SLICE_MS) continue;
    matchingMs += sliceMs;
    if (matchingMs > MAX_MATCHING_MS) {
      throw new ExaiError(
        "INVALID_PARAMS",
        `filter is too costly to match ${lines.length} lines; simplify it`,
      );
    }
    // What others do meanwhile is not this pattern's cost.
    await delay(0, { signal });
    sliceStartMs = performance.now();
  }
  return matching;
}

function compile(engine: typeof import("re2js").RE2JS, pattern: string) {
  let regex;
  try {
    regex = engine.compile(pattern);
  } catch (thrown) {
    throw new ExaiError(
      "INVALID_PARAMS",
      `filter is no pattern RE2 takes (${
        messageOf(thrown)
      }); it has no lookaround and no backreference, and \\ ` +
        "makes a special character plain",
      { cause: thrown },
    );
  }
  if (regex.programSize() <= MAX_INSTRUCTIONS) return regex;
  throw new ExaiError("INVALID_PARAMS", "filter repeats too much: use smaller counts in {}, or + and *");
}
