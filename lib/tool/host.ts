import type { JsonObject } from "../base/json.ts";
import type { Whereabouts } from "../call/call.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";

/**
 * What the tools may know of the daemon they run in. The daemon hands it in, so that no tool reaches for the process,
 * a file or the network by itself.
 */
export interface ToolHost {
  /** Version of the program. */
  readonly version: string;
  /** What runs it, as `deno 2.9.6`. */
  readonly runtime: string;
  readonly pid: number;
  /** When the daemon started, in milliseconds since 1970. */
  readonly startedAtMs: number;
  /** MCP revisions spoken, newest first. */
  readonly revisions: readonly string[];
  /** The health of the daemon as `health.json` has it. */
  health(): JsonObject | Promise<JsonObject>;
  /** The latest failures of calls that `caller` may know of, oldest first, one line each. */
  recentErrors(caller: Whereabouts, maxLines: number): readonly string[] | Promise<readonly string[]>;
  /** The latest calls that `caller` may know of, oldest first, one line each. */
  activity(caller: Whereabouts, maxLines: number): readonly string[] | Promise<readonly string[]>;
  /** The providers that are set up, as last known. */
  providers(): readonly ProviderStatus[];
  /** Waits, some seconds at most, for lists of what the providers offer that are no older than `maxAgeMs`. */
  ensureProvidersFresh?(maxAgeMs: number): Promise<void>;
  /** Asks every provider anew what it offers; absent when nothing about them is kept. */
  refreshProviders?(): Promise<void>;
}
