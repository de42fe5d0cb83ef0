import { fnv1a } from "../base/text.ts";

/** The longest tool or prompt name that all known clients accept. */
const MAX_NAME_CHARS = 64;

/** A tool or prompt by the server's own name. */
interface NamedOffer {
  server: string;
  name: string;
}

/**
 * The public names for `offers`, in the same order: the server's own name when it is unique and valid, otherwise
 * `server__name`. At most 64 characters of `[A-Za-z0-9_-]`, and the same in every run whichever server answers first.
 *
 * @example
 * ```ts
 * import { publicNames } from "./names.ts";
 *
 * const names = publicNames([
 *   { server: "git", name: "status" },
 *   { server: "disk", name: "status" },
 *   { server: "disk", name: "usage" },
 * ]);
 * console.assert(names.join() === "git__status,disk__status,usage");
 * ```
 */
export function publicNames(offers: readonly NamedOffer[]): string[] {
  const owners = new Map<string, number>();
  for (const { name } of offers) owners.set(name, (owners.get(name) ?? 0) + 1);
  const taken = new Set<string>();
  const names = offers.map((offer) => {
    if (owners.get(offer.name) !== 1 || !isValid(offer.name)) return undefined;
    taken.add(offer.name);
    return offer.name;
  });
  return offers.map((offer, i) => {
    const name = names[i] ?? firstFree(`${offer.server}__${offer.name}`, taken);
    taken.add(name);
    return name;
  });
}

function isValid(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && /^[A-Za-z0-9_-]+$/.test(name);
}

// A shortened or cleaned name ends in a hash of the original, so that two long names stay distinct.
function firstFree(wanted: string, taken: ReadonlySet<string>): string {
  const clean = wanted.replace(/[^A-Za-z0-9_-]/g, "_");
  if (clean === wanted && wanted.length <= MAX_NAME_CHARS && !taken.has(wanted)) return wanted;
  for (let salt = 0;; salt++) {
    const suffix = `_${fnv1a(`${wanted}#${salt}`)}`;
    const name = clean.slice(0, MAX_NAME_CHARS - suffix.length) + suffix;
    if (!taken.has(name)) return name;
  }
}
