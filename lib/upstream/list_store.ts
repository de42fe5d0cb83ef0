import type { JsonObject } from "../base/json.ts";
import type { ListKind } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";

/** What the lists of a server depend on. */
export interface ViewKey {
  /** The server's name. */
  server: string;
  /** Digest of its configuration. */
  config: string;
  /** The client capabilities advertised to it, as JSON. */
  capabilities: string;
}

/** The last lists of a server. */
export interface StoredView {
  /** Its answer to `initialize`. */
  description: InitializeResult;
  lists: Partial<Readonly<Record<ListKind, readonly JsonObject[]>>>;
  /** Client capabilities it has made use of; absent in files of older daemons. */
  asked?: readonly string[];
}

/** Keeps the last lists of servers across restarts of the daemon. No method throws. */
export interface ListStore {
  get(key: ViewKey): StoredView | undefined;
  set(key: ViewKey, view: StoredView): void;
}
