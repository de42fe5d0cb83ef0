import { UsageError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";

/** What the name of a secret may be, for messages. */
const ALLOWED = "1 to 64 letters, digits, dots, hyphens and underscores";

/**
 * Whether `name` may be that of a secret: one that needs no quotes in any shell, and ends at the brace of `${secret:NAME}`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isNameOfSecret } from "./secret_names.ts";
 *
 * assertEquals(["github.token", "a b", ""].map(isNameOfSecret), [true, false, false]);
 * ```
 */
export function isNameOfSecret(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name);
}

/** @throws {UsageError} saying what is allowed */
export function checkNameOfSecret(name: string): void {
  if (isNameOfSecret(name)) return;
  // What is no name may be the value.
  const shown = name.length <= 64 ? quoteName(name) : "that";
  throw new UsageError(`${shown} is no name of a secret; allowed: ${ALLOWED}`);
}
