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
 * `text` with the variables `lookup` knows replaced, for a later {@linkcode fill} of the others. Everything else is
 * escaped, so that a `${` in a value is not taken for a variable then.
 */
export function fillSome(text: string, lookup: (name: string) => string | undefined): string {
  let filled = "";
  let literal = "";
  let end = 0;
  const flush = () => filled += escapeVariables(literal);
  for (const { 0: whole, 1: name, index } of text.matchAll(VARIABLE)) {
    const value = name === undefined ? whole.slice(1) : lookup(name);
    literal += text.slice(end, index) + (value ?? "");
    end = index + whole.length;
    if (value !== undefined) continue;
    flush();
    filled += whole;
    literal = "";
  }
  literal += text.slice(end);
  return flush();
}

/** Escapes `text` so that {@linkcode fill} returns it unchanged. */
export function escapeVariables(text: string): string {
  return text.replaceAll("${", () => "$${");
}
