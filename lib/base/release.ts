import { compare } from "@std/semver/compare";
import { tryParse } from "@std/semver/try-parse";

/** Whether build `a` is newer than `b`; false where either cannot be told. */
export function isNewer(a: { version: string }, b: { version: string }): boolean {
  const [own, other] = [tryParse(a.version), tryParse(b.version)];
  return own !== undefined && other !== undefined && compare(own, other) > 0;
}
