import { clipRedacted, quoteName } from "../base/text.ts";
import { delay } from "@std/async/delay";
import { messageOf } from "../base/errors.ts";
import { isObject, type JsonObject, plainOf } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { KIB } from "../base/units.ts";
import { legacyOutputSchema } from "../wire/legacy_schemas.ts";
import { measure } from "./measure.ts";
import type { Sifted } from "./definitions.ts";

/** Compiling a larger schema would block the event loop, here and in clients. */
const MAX_SCHEMA_CHARS = 64 * KIB;
const MAX_REASON_CHARS = 200;
const MAX_TURN_MS = 5;

/**
 * Removes the output schemas that cannot be compiled: the SDK's clients compile each when the list arrives, and reject
 * the whole list if one fails. They are compiled as clients of the legacy era are shown them. The tool can be used
 * without its schema.
 */
export async function siftOutputSchemas({ entries, faults }: Sifted): Promise<Sifted> {
  if (!entries.some(({ outputSchema }) => outputSchema !== undefined)) return { entries, faults };
  // Loaded when the first server needs it.
  const { schemaCompiler } = await import("./schema_compiler.ts");
  const compile = schemaCompiler();
  const found: string[] = [];
  const kept: JsonObject[] = [];
  let sinceMs = monotonicNow();
  for (const entry of entries) {
    // Compiling takes a millisecond or more for each schema, which blocks all other calls.
    if (monotonicNow() - sinceMs > MAX_TURN_MS) {
      await delay(0);
      sinceMs = monotonicNow();
    }
    const why = isObject(entry.outputSchema) ? whyNot(entry.outputSchema, compile) : undefined;
    if (why === undefined) {
      kept.push(entry);
      continue;
    }
    found.push(`tool ${quoteName(String(entry.name))} is shown without its outputSchema: ${why}`);
    const { outputSchema: _, ...rest } = entry;
    kept.push(rest);
  }
  return { entries: kept, faults: [...faults, ...found.slice(0, 10)] };
}

function whyNot(schema: JsonObject, compile: (schema: JsonObject) => unknown): string | undefined {
  const size = measure(schema, { maxDepth: 100, maxChars: MAX_SCHEMA_CHARS });
  if (typeof size === "string") return size;
  try {
    compile(plainOf(legacyOutputSchema(schema)));
    return undefined;
  } catch (thrown) {
    return clipRedacted(messageOf(thrown), MAX_REASON_CHARS);
  }
}
