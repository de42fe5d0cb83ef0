import type { JsonObject } from "../base/json.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Call, Caller, Target } from "./call.ts";

/**
 * A server in the catalog: EXAI's own tools or a mounted MCP server. It answers MCP requests (`tools/list`,
 * `tools/call`, `prompts/get`, ...) through its target, under its own names.
 */
export interface Server {
  /** Unique in the catalog; `[A-Za-z0-9_-]`. */
  readonly name: string;
  readonly target: Target;
  /** The scheme of its resources, where nobody else may answer for one of that scheme: `exai:`. */
  readonly ownScheme?: string;
  /**
   * What the server said, or says now, to `initialize` for this caller. Starts it if it must be started.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` naming the server
   */
  describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult>;
  /**
   * The complete list of `kind` for this caller, under the names the server goes by in the merged catalog.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` naming the server
   */
  list(kind: ListKind, call: Call): Promise<readonly JsonObject[]>;
  /**
   * Asks the server anew for a list it has not said has changed, for somebody names what is not in it. What does not run
   * for this caller is not started for that. Resolves with whether the list is another now.
   */
  refresh?(kind: ListKind, call: Call): Promise<boolean>;
  /** What stands between `caller` and the server, as "server "files" to start"; undefined: nothing but its answer. */
  waitOf?(caller: Caller): string | undefined;
  /** How long it may take to start; undefined: no longer than others. */
  readonly startTimeoutMs?: number;
  /** How long one call may take; undefined: the daemon's own limit. */
  readonly callTimeoutMs?: number;
  /** Silence after which a call is answered with a handle and goes on, in milliseconds; undefined: never. */
  readonly detachAfterMs?: number;
  /** Calls it may run at once; undefined: no limit of its own. */
  readonly maxInflight?: number;
  /** It decides itself when each of its processes may run a call; false: what stands in front of it does. */
  readonly admitsItself?: boolean;
  /** The caller wants log messages from another level on. */
  logLevelChanged?(caller: Caller): void;
  /** Passes on a notification of the client that belongs to no call: `notifications/roots/list_changed`. */
  notify?(caller: Caller, method: string, params: JsonObject): void;
  /** A session is over: what it held is given back. */
  detach?(caller: Caller): void;
}

/** The lists of MCP: the method that asks for each and the field of the result that holds it. */
export const LISTS = {
  tools: { method: "tools/list", field: "tools" },
  prompts: { method: "prompts/list", field: "prompts" },
  resources: { method: "resources/list", field: "resources" },
  templates: { method: "resources/templates/list", field: "resourceTemplates" },
} as const;

export type ListKind = keyof typeof LISTS;
