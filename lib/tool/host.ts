import type { JsonObject } from "../base/json.ts";
import type { Whereabouts } from "../call/call.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";

/** The daemon as tools see it. Injected, so that no tool accesses the process, files or the network directly. */
export interface ToolHost {
  /** The version of the program. */
  readonly version: string;
  /** The runtime, such as `deno 2.9.6`. */
  readonly runtime: string;
  readonly pid: number;
  /** When the daemon started, in milliseconds since 1970. */
  readonly startedAtMs: number;
  /** The supported MCP revisions, newest first. */
  readonly revisions: readonly string[];
  /** The report of `health.json`. */
  health(): JsonObject | Promise<JsonObject>;
  /** The latest errors visible to `caller`, oldest first, one line each. */
  recentErrors(caller: Whereabouts, maxLines: number): readonly string[] | Promise<readonly string[]>;
  /** The latest calls visible to `caller`, oldest first, one line each. */
  activity(caller: Whereabouts, maxLines: number): readonly string[] | Promise<readonly string[]>;
  /** The status of the configured providers. */
  providers(): readonly ProviderStatus[];
  /** Refreshes lists of models older than `maxAgeMs`; waits a few seconds at most. Absent if none are cached. */
  ensureProvidersFresh?(maxAgeMs: number): Promise<void>;
  /** Refreshes the lists of all providers. Absent if none are cached. */
  refreshProviders?(): Promise<void>;
}
