import type { JsonObject } from "../base/json.ts";
import type { ListKind } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";

/** Which view of which server: what a server shows depends on its configuration and on what the client can do. */
export interface ViewKey {
  /** The server's name. */
  server: string;
  /** Digest of the configuration that made it. */
  config: string;
  /** The client capabilities it was told of. */
  capabilities: string;
}

/** What a server showed last. */
export interface StoredView {
  /** Its answer to `initialize`. */
  description: InitializeResult;
  lists: Partial<Readonly<Record<ListKind, readonly JsonObject[]>>>;
  /** Client capabilities it has made use of; left out by daemons that did not keep them. */
  asked?: readonly string[];
}

/** Keeps what servers showed last, so that the next daemon can show it at once. Nothing of it throws. */
export interface ListStore {
  get(key: ViewKey): StoredView | undefined;
  set(key: ViewKey, view: StoredView): void;
}
