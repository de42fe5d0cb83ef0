import { fnv1a } from "../base/text.ts";

/** The longest tool or prompt name clients are known to take. */
const MAX_NAME_CHARS = 64;

/** One thing a server offers, by the server's own name for it. */
interface NamedOffer {
  server: string;
  name: string;
}

/**
 * The names the merged catalog shows for `offers`, in the same order: a server's own name when it is unique and valid,
 * otherwise `server__name`; always at most 64 characters of `[A-Za-z0-9_-]`, and the same in every run, whatever the
 * order in which servers answered.
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

// What had to be shortened or cleaned ends in a hash of the whole, so that two long names stay two.
function firstFree(wanted: string, taken: ReadonlySet<string>): string {
  const clean = wanted.replace(/[^A-Za-z0-9_-]/g, "_");
  if (clean === wanted && wanted.length <= MAX_NAME_CHARS && !taken.has(wanted)) return wanted;
  for (let salt = 0;; salt++) {
    const suffix = `_${fnv1a(`${wanted}#${salt}`)}`;
    const name = clean.slice(0, MAX_NAME_CHARS - suffix.length) + suffix;
    if (!taken.has(name)) return name;
  }
}
