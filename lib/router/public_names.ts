import { HOUR_MS, MINUTE_MS } from "../base/units.ts";
import { GivenNames } from "./given_names.ts";
import type { NamedKind, NamedServer, PublicNameStore } from "./name_store.ts";
import { isOfAnother, isValidName, type NamedOffer, publicNames } from "./names.ts";

/** A tool or prompt that wants a public name. */
export interface NameOffer extends NamedOffer {
  /**
   * Where its name is from: `own`, the server; `wished`, `rename` of the configuration; `prefixed`, from the server as
   * well, and the configuration wants the server's name before it.
   */
  naming: "own" | "wished" | "prefixed";
}

/** The names that the configuration gives to tools (`rename`), and the servers they are for. */
export type WishedNames = ReadonlyMap<string, ReadonlySet<string>>;

/** A server of the configuration. */
interface ConfiguredServer {
  name: string;
  /** Digest of what it runs or connects to. */
  identity: string;
}

/** Whose a name without a server's before it is or was. */
export interface NameHistory {
  /** The server that has it, or had it last. */
  server?: string;
  /** Whether several servers want it, so that none has it now. */
  isContested?: boolean;
}

interface PublicNamesOptions {
  /** Keeps the names across restarts of the daemon. */
  store?: PublicNameStore;
  /** Servers that come before all mounted ones where nobody has a name yet: EXAI's own. */
  ownServers?: readonly string[];
  /** The time of day, in milliseconds. */
  now?(): number;
}

const DAY_MS = 24 * HOUR_MS;

/** How long a name given may still turn out to be wanted by a server mounted at the same time, whose list was not known. */
const SETTLE_MS = 10 * MINUTE_MS;

/** How long the names of a server that is no longer in the configuration are kept for it. */
const KEEP_MS = 30 * DAY_MS;

/** Names of one server that are kept; names given to tools it no longer has are dropped first. */
const MAX_NAMES_PER_SERVER = 5000;

/** How often it is noted that a server is still in the configuration. */
const TOUCH_MS = DAY_MS;

const OWN_GENERATION = 0;

/**
 * The names of tools and prompts in the merged catalog. A name once given stays: the server that had a name first keeps
 * it, later ones get `server__name`. Servers that were mounted together count as simultaneous whichever answers first: a
 * name that several of them have is nobody's, and all of them get `server__name`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { PublicNames } from "./public_names.ts";
 *
 * const names = new PublicNames();
 * names.configure([{ name: "git", identity: "1" }]);
 * const git = { server: "git", name: "status", naming: "own" } as const;
 * names.assign("tools", [git]);
 * names.configure([{ name: "git", identity: "1" }, { name: "disk", identity: "2" }]);
 * const disk = { server: "disk", name: "status", naming: "own" } as const;
 * assertEquals(names.assign("tools", [disk, git]), ["disk__status", "status"]);
 * ```
 */
export class PublicNames {
  readonly #store: PublicNameStore | undefined;
  readonly #own: ReadonlySet<string>;
  readonly #now: () => number;
  readonly #servers = new Map<string, NamedServer>();
  readonly #given: Readonly<Record<NamedKind, GivenNames>> = {
    tools: new GivenNames(),
    prompts: new GivenNames(),
  };
  #configured: ReadonlySet<string> = new Set();
  #touchedMs = -Infinity;

  constructor({ store, ownServers = [], now = Date.now }: PublicNamesOptions = {}) {
    this.#store = store;
    this.#own = new Set(ownServers);
    this.#now = now;
    const { servers, names } = store?.load() ?? { servers: [], names: [] };
    for (const server of servers) this.#servers.set(server.name, server);
    for (const given of names) this.#given[given.kind].load(given);
  }

  /**
   * Sets the servers of the configuration. Those that are new count as mounted together; one that runs what a removed one
   * ran takes over its names.
   *
   * @param disabled names of servers that are in the configuration and switched off
   */
  configure(servers: readonly ConfiguredServer[], disabled: readonly string[] = []): void {
    const names = new Set([...servers.map(({ name }) => name), ...disabled]);
    // Those of the last configuration were there until now.
    const seen = new Set([...this.#configured, ...names]);
    this.#configured = names;
    const generation = 1 + Math.max(OWN_GENERATION, ...this.#servers.values().map((one) => one.generation));
    const seenMs = this.#now();
    for (const { name, identity } of servers.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
      const known = this.#servers.get(name) ?? this.#takeOver(name, identity);
      this.#servers.set(name, { listed: [], generation, ...known, name, identity, seenMs });
      seen.add(name);
    }
    this.#touch(seen);
    this.#forgetOld();
  }

  /**
   * The public names for `offers`, in the same order.
   *
   * @param wished the names that the configuration gives to tools, those of unknown lists included
   */
  assign(kind: NamedKind, offers: readonly NameOffer[], wished: WishedNames = new Map()): string[] {
    if (this.#now() - this.#touchedMs > TOUCH_MS) this.#touch(this.#configured);
    const given = this.#given[kind];
    const newcomers = this.#admit(kind, offers);
    const contenders = Map.groupBy(
      offers.filter((offer) => isContender(offer, wished) && !isOfAnother(offer, this.#servers)),
      ({ name }) => name,
    );
    for (const [name, claims] of contenders) {
      // A server that has the name twice contends with itself.
      this.#settle({ kind, name, servers: claims.map(({ server }) => server), newcomers });
    }
    const names = publicNames(offers, {
      settledName: (offer) => settledName(offer, given, wished),
      isReserved: (name, offer) => {
        const row = given.get(name);
        return row !== undefined && (row.server !== offer.server || row.name !== offer.name);
      },
    });
    for (const [i, offer] of offers.entries()) {
      if (offer.naming === "own" && !wished.has(offer.name)) this.#keep(kind, offer, names[i]!);
    }
    this.#prune(kind, offers, names);
    this.#save(given);
    return names;
  }

  /** Whose `name` without a server's before it is or was, although another name may be shown now. */
  historyOf(kind: NamedKind, name: string): NameHistory {
    const row = this.#given[kind].get(name);
    // `server__name` of a tool that the server does not have now is no other server's.
    if (row?.name !== name) return { isContested: isOfAnother({ name }, this.#servers) };
    return { server: row.server ?? row.formerServer ?? undefined, isContested: row.server === null };
  }

  /** Registers the servers of `offers`; returns those whose list of `kind` was not known before. */
  #admit(kind: NamedKind, offers: readonly NameOffer[]): ReadonlySet<string> {
    const newcomers = new Set<string>();
    for (const { server: name } of offers) {
      const server = this.#servers.get(name) ?? {
        name,
        identity: "",
        generation: this.#own.has(name) ? OWN_GENERATION : OWN_GENERATION + 1,
        listed: [],
        seenMs: this.#now(),
      };
      if (server.listed.includes(kind)) continue;
      newcomers.add(name);
      this.#servers.set(name, { ...server, listed: [...server.listed, kind] });
    }
    if (newcomers.size > 0) {
      this.#store?.save({ servers: Array.from(newcomers, (name) => this.#servers.get(name)!) });
    }
    return newcomers;
  }

  /**
   * Decides whose `name` is without a prefix: of those that are mounted longest, unless several are. The result is the
   * same in whatever order servers become known, as long as that is within {@linkcode SETTLE_MS}.
   */
  #settle({ kind, name, servers, newcomers }: Claim): void {
    const given = this.#given[kind];
    const first = given.get(name);
    // It is the name of another tool, behind the name of its server.
    if (first !== undefined && first.name !== name) return;
    const isSettled = first !== undefined && this.#now() - first.givenMs > SETTLE_MS;
    for (const server of servers) {
      // What the server has been given in its place stays.
      if (given.prefixedName(server, name) !== undefined) continue;
      const { generation } = this.#servers.get(server)!;
      const claim = { kind, publicName: name, name, server, generation };
      const row = given.get(name);
      if (row === undefined) {
        given.set({ ...claim, givenMs: this.#now(), formerServer: null });
      } else if (first !== undefined && (isSettled || row.server === server || !newcomers.has(server))) {
        continue;
      } else if (generation < row.generation) {
        given.set({ ...row, ...claim });
      } else if (generation === row.generation && row.server !== null) {
        given.set({ ...row, server: null, formerServer: first?.server ?? null });
      }
    }
  }

  #keep(kind: NamedKind, { server, name }: NameOffer, publicName: string): void {
    const given = this.#given[kind];
    if (publicName === name || given.get(publicName) !== undefined) return;
    const { generation } = this.#servers.get(server)!;
    const row = { kind, publicName, server, name, generation, givenMs: this.#now(), formerServer: null };
    given.set(row);
  }

  /** The record of a removed server that ran the same as `name`, whose names without a prefix now belong to that. */
  #takeOver(name: string, identity: string): NamedServer | undefined {
    const old = this.#servers.values().find((server) =>
      server.identity === identity && identity !== "" && !this.#configured.has(server.name)
    );
    if (!old) return undefined;
    for (const given of Object.values(this.#given)) given.rename(old.name, name);
    this.#servers.delete(old.name);
    this.#store?.save({ goneServers: [old.name] });
    return old;
  }

  /** Notes that these servers are in the configuration. */
  #touch(names: Iterable<string>): void {
    this.#touchedMs = this.#now();
    const servers = Array.from(names, (name) => this.#servers.get(name)).filter((one) => one !== undefined)
      .map((server) => ({ ...server, seenMs: this.#touchedMs }));
    for (const server of servers) this.#servers.set(server.name, server);
    this.#store?.save({ servers });
  }

  /** Forgets servers that have not been in the configuration for long; their names are free again. */
  #forgetOld(): void {
    const oldestMs = this.#now() - KEEP_MS;
    const gone = [...this.#servers.values()].filter(({ name, seenMs }) =>
      seenMs < oldestMs && !this.#configured.has(name) && !this.#own.has(name)
    );
    for (const { name } of gone) {
      this.#servers.delete(name);
      for (const given of Object.values(this.#given)) given.drop((row) => row.server === name);
    }
    if (gone.length > 0) this.#store?.save({ goneServers: gone.map(({ name }) => name) });
    for (const given of Object.values(this.#given)) {
      given.dropUnwanted();
      this.#save(given);
    }
  }

  /** Drops the oldest names of tools that are no longer offered, of servers that have too many. */
  #prune(kind: NamedKind, offers: readonly NameOffer[], names: readonly string[]): void {
    const given = this.#given[kind];
    for (const server of new Set(offers.map(({ server }) => server))) {
      let excess = given.countOf(server) - MAX_NAMES_PER_SERVER;
      if (excess <= 0) continue;
      const offered = new Set(names);
      given.drop((row) => row.server === server && !offered.has(row.publicName) && excess-- > 0);
    }
  }

  #save(given: GivenNames): void {
    const change = given.takeChange();
    if (change) this.#store?.save(change);
  }
}

interface Claim {
  kind: NamedKind;
  name: string;
  servers: readonly string[];
  newcomers: ReadonlySet<string>;
}

/** Whether `offer` may have its name without that of its server. */
function isContender({ name, naming }: NameOffer, wished: WishedNames): boolean {
  return naming === "own" && isValidName(name) && !wished.has(name);
}

function settledName(offer: NameOffer, given: GivenNames, wished: WishedNames): string | undefined {
  const { server, name, naming } = offer;
  if (naming === "wished") return wished.get(name)?.size === 1 ? name : undefined;
  if (naming === "prefixed") return undefined;
  if (!wished.has(name) && given.get(name)?.server === server && given.get(name)?.name === name) return name;
  const prefixed = given.prefixedName(server, name);
  return prefixed === undefined || wished.has(prefixed) ? undefined : prefixed;
}
