import type { JsonObject } from "../base/json.ts";
import type { ListKind } from "../call/server.ts";
import type { Era } from "../wire/client_claim.ts";
import type { InitializeResult } from "../wire/mcp.ts";

/** Whose lists are kept: one server as it is configured. */
export interface ListKey {
  /** The server's name. */
  server: string;
  /** Digest of what its configuration starts or connects to. */
  config: string;
}

/** The last lists of a server. */
export interface StoredView {
  /** Its answer to `initialize`. */
  description: InitializeResult;
  lists: Partial<Readonly<Record<ListKind, readonly JsonObject[]>>>;
  /** The credentials it is for alone; left out: what it shows is the same for all. */
  privateTo?: string;
  /** The account whose requests it was the answer to; left out: the only one of a server of that time. */
  account?: string;
  /** Client capabilities it has made use of. */
  asked?: readonly string[];
}

/** Which era of MCP a server was found to speak. */
export interface FoundEra {
  era: Era;
  /** When that was found out, in milliseconds since the epoch. */
  atMs: number;
}

/** Keeps the last lists of servers across restarts of the daemon. No method throws. */
export interface ListStore {
  /** What the server listed last, wherever its process ran. */
  latest(key: ListKey): StoredView | undefined;
  /** What it listed last in `place`, a directory or a window's situation. */
  at(key: ListKey, place: string): StoredView | undefined;
  /** Whether what it listed last in one place differs from what it listed last in another. */
  varies(key: ListKey): boolean;
  /** Keeps what it lists in `place`; what other places listed before is forgotten where this one listed the same. */
  set(key: ListKey, place: string, view: StoredView): void;
  /** Forgets what it listed to an account. */
  forget(key: ListKey, account: string): void;
  /** Which era it was found to speak in this configuration, under whatever name. */
  era(config: string): FoundEra | undefined;
  /** Keeps which era it speaks; undefined: that is not known any more. */
  setEra(config: string, found: FoundEra | undefined): void;
}
