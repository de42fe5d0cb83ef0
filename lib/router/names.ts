import { fnv1a } from "../base/text.ts";

/** The longest tool or prompt name that all known clients accept. */
const MAX_NAME_CHARS = 64;

/** A tool or prompt by its name before collisions between servers are resolved. */
export interface NamedOffer {
  server: string;
  name: string;
}

/** What is settled about the names of some offers. */
interface NameRules<Offer extends NamedOffer> {
  /** The public name of `offer` if it is settled; undefined: `server__name`. */
  settledName(offer: Offer): string | undefined;
  /** Whether `publicName` is settled for something other than `offer`. */
  isReserved(publicName: string, offer: Offer): boolean;
}

/**
 * The public names for `offers`, in the same order: those that `rules` settle, otherwise `server__name`. At most 64
 * characters of `[A-Za-z0-9_-]`, and the same in every run.
 */
export function publicNames<Offer extends NamedOffer>(
  offers: readonly Offer[],
  rules: NameRules<Offer>,
): string[] {
  const taken = new Set<string>();
  const settled = offers.map((offer) => {
    const name = rules.settledName(offer);
    if (name === undefined || taken.has(name)) return undefined;
    taken.add(name);
    return name;
  });
  return offers.map((offer, i) => {
    const isTaken = (name: string) => taken.has(name) || rules.isReserved(name, offer);
    const name = settled[i] ?? firstFree(qualifiedName(offer), isTaken);
    taken.add(name);
    return name;
  });
}

/** The name by which a tool or prompt can always be called, before it is made valid. */
export function qualifiedName({ server, name }: NamedOffer): string {
  return `${server}__${name}`;
}

/** Whether `name` is a {@linkcode qualifiedName} of something of `server`. */
export function isQualifiedBy(server: string, name: string): boolean {
  return name.startsWith(qualifiedName({ server, name: "" }));
}

/** Whether `name` can be shown to every client as it is. */
export function isValidName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && /^[A-Za-z0-9_-]+$/.test(name);
}

/**
 * Whether `name` is `server__name` of one of `servers` other than `server`. That is accepted in calls of its tools, and
 * may be what the rules of a client allow.
 */
export function isOfAnother(
  { server, name }: { server?: string; name: string },
  servers: { has(server: string): boolean },
): boolean {
  for (let at = name.indexOf("__"); at !== -1; at = name.indexOf("__", at + 1)) {
    const other = name.slice(0, at);
    if (other !== server && servers.has(other)) return true;
  }
  return false;
}

// A shortened or cleaned name ends in a hash of the original, so that two long names stay distinct.
function firstFree(wanted: string, isTaken: (name: string) => boolean): string {
  const clean = wanted.replace(/[^A-Za-z0-9_-]/g, "_");
  if (clean === wanted && wanted.length <= MAX_NAME_CHARS && !isTaken(wanted)) return wanted;
  for (let salt = 0;; salt++) {
    const suffix = `_${fnv1a(`${wanted}#${salt}`)}`;
    const name = clean.slice(0, MAX_NAME_CHARS - suffix.length) + suffix;
    if (!isTaken(name)) return name;
  }
}
