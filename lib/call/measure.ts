/** How far {@linkcode measure} goes. */
interface MeasureLimits {
  maxDepth: number;
  maxChars: number;
}

/**
 * The approximate length of `value` as JSON in characters, or a phrase that says which limit it exceeds. Not recursive:
 * a deeply nested value would overflow the stack.
 */
export function measure(value: unknown, { maxDepth, maxChars }: MeasureLimits): number | string {
  let chars = 0;
  const open: { value: unknown; depth: number }[] = [{ value, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value === "string") chars += value.length + 2;
    else if (typeof value !== "object" || value === null) chars += 5;
    else if (depth >= maxDepth) return `it is nested more than ${maxDepth} deep`;
    else {
      for (const key of Object.keys(value)) {
        chars += Array.isArray(value) ? 1 : key.length + 4;
        open.push({ value: (value as Record<string, unknown>)[key], depth: depth + 1 });
        if (chars > maxChars) break;
      }
    }
    if (chars > maxChars) return `it is over ${maxChars} characters long`;
  }
  return chars;
}
