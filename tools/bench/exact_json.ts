/** The third argument of a reviver, which the types do not know yet (TC39 "JSON.parse source text access"). */
interface Source {
  /** The text of a value that is no object. */
  source: string;
}

type Reviver = (key: string, value: unknown, context: Source) => unknown;

const { parse, rawJSON, stringify } = JSON as unknown as {
  parse(text: string, reviver: Reviver): unknown;
  rawJSON(text: string): unknown;
  stringify(value: unknown): string;
};

/**
 * Parses JSON so that {@linkcode writeExact} writes each number as it stood there: `1.0`, `9007199254740993`.
 *
 * @param asWritten keys whose texts are written as they stood there too: `"a\\u0062"`
 */
export function parseExact(text: string, asWritten: readonly string[] = []): unknown {
  return parse(text, (key, value, { source }) => {
    const isKept = typeof value === "number" || typeof value === "string" && asWritten.includes(key);
    return isKept ? rawJSON(source) : value;
  });
}

/** The text of what {@linkcode parseExact} has read. */
export function writeExact(value: unknown): string {
  return stringify(value);
}
