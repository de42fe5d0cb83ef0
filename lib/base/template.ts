/** A variable, or `$${` for a literal `${`. */
const VARIABLE = /\$\$\{|\$\{([^{}]*)\}/g;

/** Names of the `${}` variables in `text`, in order. */
export function variablesIn(text: string): string[] {
  return [...text.matchAll(VARIABLE)].flatMap(([, name]) => name === undefined ? [] : [name]);
}

/**
 * `text` with each variable replaced by `lookup` of its name, and each `$${` by `${`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fill } from "./template.ts";
 *
 * assertEquals(fill("${HOME}/bin, $${literal}", () => "/root"), "/root/bin, ${literal}");
 * ```
 */
export function fill(text: string, lookup: (name: string) => string): string {
  return text.replace(VARIABLE, (whole, name?: string) => name === undefined ? whole.slice(1) : lookup(name));
}

/**
 * `text` cut after each variable: what stands before it, with `$${` as `${`, and its name; the last piece has none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { splitAtVariables } from "./template.ts";
 *
 * assertEquals(splitAtVariables("a${B}c"), [{ literal: "a", name: "B" }, { literal: "c", name: undefined }]);
 * ```
 */
export function splitAtVariables(text: string): { literal: string; name: string | undefined }[] {
  const pieces: { literal: string; name: string | undefined }[] = [];
  let literal = "";
  let end = 0;
  for (const { 0: whole, 1: name, index } of text.matchAll(VARIABLE)) {
    literal += text.slice(end, index) + (name === undefined ? whole.slice(1) : "");
    end = index + whole.length;
    if (name === undefined) continue;
    pieces.push({ literal, name });
    literal = "";
  }
  return [...pieces, { literal: literal + text.slice(end), name: undefined }];
}

/** Escapes `text` so that {@linkcode fill} returns it unchanged. */
export function escapeVariables(text: string): string {
  return text.replaceAll("${", () => "$${");
}
