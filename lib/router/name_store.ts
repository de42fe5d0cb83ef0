/** The kinds of entries that have names in the merged catalog. */
export type NamedKind = "tools" | "prompts";

/** A server whose tools or prompts have been given names. */
export interface NamedServer {
  readonly name: string;
  /** Digest of what it runs or connects to, so that it is known under another name; empty: unknown. */
  readonly identity: string;
  /** Servers that were mounted together have the same; the later ones a higher one. */
  readonly generation: number;
  /** The kinds of which a list of it is known. */
  readonly listed: readonly NamedKind[];
  /** When it was last in the configuration. */
  readonly seenMs: number;
}

/** A name in the merged catalog that was given to a tool or prompt. */
export interface GivenName {
  readonly kind: NamedKind;
  readonly publicName: string;
  /** The server that has it; null: several mounted together have such a tool, so that nobody does. */
  readonly server: string | null;
  /** The name before collisions are resolved. */
  readonly name: string;
  /** The generation of the servers that wanted it first. */
  readonly generation: number;
  readonly givenMs: number;
  /** The server that had it before it was known that several want it. */
  readonly formerServer: string | null;
}

/** What has changed; a row replaces the one with the same key. */
export interface NamesChange {
  servers?: readonly NamedServer[];
  names?: readonly GivenName[];
  /** Names of servers that are forgotten. */
  goneServers?: readonly string[];
  goneNames?: readonly Pick<GivenName, "kind" | "publicName">[];
}

/** Keeps the names given across restarts of the daemon. No method throws. */
export interface PublicNameStore {
  load(): { servers: readonly NamedServer[]; names: readonly GivenName[] };
  save(change: NamesChange): void;
}
