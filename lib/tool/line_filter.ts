import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";

/** Longest pattern taken. */
export const MAX_PATTERN_CHARS = 200;

/** Largest compiled pattern taken, in RE2's instructions: what matching one character costs at worst. */
const MAX_INSTRUCTIONS = 1000;

/** Only this much of a line is looked at. */
const MAX_LINE_CHARS = 2000;

/** How long matching may hold up all else before it lets others have their turn, in milliseconds. */
const SLICE_MS = 5;

/** How long matching may take all told, in milliseconds. */
const BUDGET_MS = SECOND_MS;

/**
 * Those of `lines` that `pattern` matches. The pattern is the caller's, so it is matched by RE2: in time linear in
 * the line, whatever the pattern, which has no lookaround and no backreference in return.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for a pattern that RE2 does not take, or that is too costly to go on with
 */
export async function filterLines(
  lines: readonly string[],
  pattern: string,
  signal: AbortSignal,
): Promise<string[]> {
  // Loaded when it is first needed: a quarter of a megabyte that most daemons never use.
  const { RE2JS } = await import("re2js");
  const startedMs = performance.now();
  const regex = compile(RE2JS, pattern);
  const matching: string[] = [];
  let sliceEndMs = startedMs + SLICE_MS;
  for (const line of lines) {
    if (regex.matcher(line.slice(0, MAX_LINE_CHARS)).find()) matching.push(line);
    const nowMs = performance.now();
    if (nowMs < sliceEndMs) continue;
    if (nowMs - startedMs > BUDGET_MS) {
      throw new ExaiError(
        "INVALID_PARAMS",
        `filter is too costly to match ${lines.length} lines; simplify it`,
      );
    }
    await delay(0, { signal });
    sliceEndMs = performance.now() + SLICE_MS;
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
