const NAMED_SCHEMAS: ReadonlySet<string> = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependentSchemas",
  "dependencies",
]);

const DATA: ReadonlySet<string> = new Set(["const", "enum", "default", "examples", "required"]);

/** Whether the value of a keyword of JSON Schema has schemas under names that its author chose, which are no keywords. */
export function holdsNamedSchemas(keyword: string): boolean {
  return NAMED_SCHEMAS.has(keyword);
}

/** Whether the value of a keyword of JSON Schema is data, and holds no schema. */
export function holdsData(keyword: string): boolean {
  return DATA.has(keyword);
}
