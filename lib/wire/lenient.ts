import { endOfString } from "./json_string.ts";

/** Messages a batch may hold. */
const MAX_BATCH = 100;

/** The only revision of MCP with batches. */
const BATCH_REVISION = "2025-03-26";

/** Why `batch` is rejected from a client that has negotiated `revision`; undefined when it is valid. */
export function batchFault(batch: readonly unknown[], revision: string | undefined): string | undefined {
  if (revision !== BATCH_REVISION) {
    const agreed = revision === undefined ? "none is agreed on yet" : `this client has agreed on ${revision}`;
    return `an array is no message: only MCP ${BATCH_REVISION} has batches, and ${agreed}; send one message at a time`;
  }
  if (batch.length === 0) return "a batch must hold a message";
  return batch.length > MAX_BATCH ? `a batch may hold ${MAX_BATCH} messages at most` : undefined;
}

/**
 * Parses `text`, if necessary with `null` in place of numbers that JSON does not have: Python's `json.dumps` writes
 * NaN and Infinity unless told otherwise.
 *
 * @throws {SyntaxError} it is not JSON then either
 */
export function parseLenient(text: string): { value: unknown; isRepaired: boolean } {
  try {
    return { value: JSON.parse(text), isRepaired: false };
  } catch (thrown) {
    const repaired = withoutNaN(text);
    if (repaired === undefined) throw thrown;
    return { value: JSON.parse(repaired), isRepaired: true };
  }
}

/** `text` with `null` for each NaN and Infinity outside of its strings; undefined if it has neither. */
export function withoutNaN(text: string): string | undefined {
  if (!/NaN|Infinity/.test(text)) return undefined;
  const written: string[] = [];
  // Here, since it keeps its place between two matches.
  const next = /"|-?\b(?:NaN|Infinity)\b/g;
  let from = 0;
  for (let found = next.exec(text); found; found = next.exec(text)) {
    if (found[0] !== '"') {
      written.push(text.slice(from, found.index), "null");
      from = next.lastIndex;
      continue;
    }
    // Not by the expression: strings of megabytes overflow its stack.
    const end = endOfString(text, found.index);
    if (end < 0) break;
    next.lastIndex = end + 1;
  }
  return written.join("") + text.slice(from);
}
