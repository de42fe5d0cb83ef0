import type { JsonObject } from "../base/json.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Call, Caller, Target } from "./call.ts";
import type { Freshness } from "./freshness.ts";

/**
 * A server in the catalog: EXAI's own tools or a mounted MCP server. It answers MCP requests (`tools/list`,
 * `tools/call`, `prompts/get`, ...) through its target, under its own names.
 */
export interface Server {
  /** Unique in the catalog; `[A-Za-z0-9_-]`. */
  readonly name: string;
  readonly target: Target;
  /** Names that `mcp.json` gives its tools in the merged catalog; undefined: their own. */
  readonly toolNaming?: {
    readonly rename: Readonly<Record<string, string>>;
    readonly prefix: string;
    /** Whether names of tools and prompts that are not renamed always have the server's name before them. */
    readonly isPrefixed?: boolean;
  };
  /** A URI scheme that only this server may answer for: `exai:`. */
  readonly ownScheme?: string;
  /**
   * The answer of the server to `initialize`, for this caller. Starts the server if necessary. A client that waits for
   * the answer to its own `initialize` is asked nothing (`isUnasked`).
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` naming the server
   */
  describe(caller: Caller, signal: AbortSignal, isUnasked?: boolean): Promise<InitializeResult>;
  /**
   * The complete list of `kind` for this caller, with the server's own names.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` naming the server
   */
  list(kind: ListKind, call: Call): Promise<readonly JsonObject[]>;
  /**
   * Requests a list again though the server has not announced a change, because a client used a name that is not in it.
   * Resolves with whether the list has changed.
   */
  refresh?(kind: ListKind, call: Call, options: RefreshOptions): Promise<boolean>;
  /** Whether {@linkcode list} needs nothing but what is remembered; undefined: it takes as long as it takes. */
  knows?(kind: ListKind, caller: Caller): boolean;
  /** How long the list that `caller` was given last may be kept, and by whom; undefined: that is not known. */
  freshness?(kind: ListKind, caller: Caller): Freshness | undefined;
  /**
   * Reads the lists of a server that was never read, on behalf of `caller`, who is told nothing of it. Resolves when that
   * has ended, in whatever way.
   */
  prepare?(caller: Caller): Promise<void>;
  /** What is known of it for `caller` now; nothing is started. Left out: only its lists are. */
  known?(caller: Caller): KnownServerFacts;
  /** Why the tool `name`, which the server has, is not offered to `caller`, in a sentence; undefined: it has none. */
  whyNotOffered?(name: string, caller: Caller): string | undefined;
  /**
   * Its tools as far as they are remembered, where `caller` is shown others in their place and may call these all the same;
   * undefined: none are withheld.
   */
  withheld?(caller: Caller): readonly JsonObject[] | undefined;
  /** The server's own name of the tool that it shows then. */
  readonly standIn?: string;
  /** What a request of `caller` waits for before the server has it, as `server "files" to start`; undefined: nothing. */
  waitOf?(caller: Caller): string | undefined;
  /** How long it may take to start; undefined: no longer than others. */
  readonly startTimeoutMs?: number;
  /** How long one call may take; undefined: the daemon's own limit. */
  readonly callTimeoutMs?: number;
  /** Silence after which a call is answered with a handle and keeps running, in milliseconds; undefined: never. */
  readonly detachAfterMs?: number;
  /** Calls it may run at once; undefined: unlimited. */
  readonly maxInflight?: number;
  /** Whether it applies the admission policy itself, for each of its processes. */
  readonly admitsItself?: boolean;
  /** The caller has set another log level. */
  logLevelChanged?(caller: Caller): void;
  /** Forwards a notification of the client that belongs to no call: `notifications/roots/list_changed`. */
  notify?(caller: Caller, method: string, params: Params): void;
  /** Releases what is held for a session that has ended. */
  detach?(caller: Caller): void;
}

export interface RefreshOptions {
  /** Whether the client named this server with `server__name`, so that it is started if it does not run. */
  isNamed: boolean;
}

/** What is known of a server without starting it, from when it ran last. */
export interface KnownServerFacts {
  /** How it says its tools are to be used (MCP lifecycle, `instructions`). */
  instructions: string | undefined;
  /** The extensions it declares, by identifier (MCP basic/versioning, extension negotiation). */
  extensions?: JsonObject;
  /** Undefined: not known. */
  tools: readonly JsonObject[] | undefined;
}

/** The lists of MCP: the method that asks for each and the field of the result that holds it. */
export const LISTS = {
  tools: { method: "tools/list", field: "tools" },
  prompts: { method: "prompts/list", field: "prompts" },
  resources: { method: "resources/list", field: "resources" },
  templates: { method: "resources/templates/list", field: "resourceTemplates" },
} as const;

export type ListKind = keyof typeof LISTS;
