import { compare } from "@std/semver/compare";
import { tryParse } from "@std/semver/try-parse";
import { COMMITTED_AT, VERSION } from "./version.ts";

/** Which build of EXAI a program is. */
export interface Release {
  version: string;
  /** When its commit was made, in ISO 8601; undefined or empty for one that runs from source. */
  committedAt?: string;
}

/** The build this program is. */
export const OWN_RELEASE: Release = {
  version: VERSION,
  ...(COMMITTED_AT === "" ? {} : { committedAt: COMMITTED_AT }),
};

/**
 * Whether build `a` is newer than `b`: by its version or, if that is the same, by its commit. False where either cannot be
 * told, so that of two daemons never each takes the other for the older one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isNewer } from "./release.ts";
 *
 * assertEquals(isNewer({ version: "0.10.0" }, { version: "0.9.1" }), true);
 * assertEquals(isNewer({ version: "1.0.0-rc.1" }, { version: "1.0.0" }), false);
 * ```
 */
export function isNewer(a: Release, b: Release): boolean {
  const [own, other] = [tryParse(a.version), tryParse(b.version)];
  if (!own || !other) return false;
  const order = compare(own, other);
  if (order !== 0) return order > 0;
  return Date.parse(a.committedAt || "") > Date.parse(b.committedAt || "");
}

/** `version 1.2.3`, with the time of its commit where that tells it from `other`. */
export function describeRelease({ version, committedAt }: Release, other: Release): string {
  const of = committedAt && version === other.version ? ` of ${committedAt}` : "";
  return `version ${version}${of}`;
}
