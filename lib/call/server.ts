import type { JsonObject } from "../base/json.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Caller, Target } from "./call.ts";

/**
 * A server in the catalog: EXAI's own tools or a mounted MCP server. It answers MCP requests (`tools/list`,
 * `tools/call`, `prompts/get`, ...) through its target, under its own names.
 */
export interface Server {
  /** Unique in the catalog; `[A-Za-z0-9_-]`. */
  readonly name: string;
  readonly target: Target;
  /**
   * What the server said, or says now, to `initialize` for this caller. Starts it if it must be started.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` naming the server
   */
  describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult>;
  /** Passes on a notification of the client that belongs to no call: `notifications/roots/list_changed`. */
  notify?(caller: Caller, method: string, params: JsonObject): void;
  /** A session came or went; leases are taken and given back here. */
  detach?(caller: Caller): void;
}
