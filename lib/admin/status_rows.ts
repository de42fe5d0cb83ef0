import type { JsonObject } from "../base/json.ts";
import type { ConnectionState } from "../upstream/supervisor.ts";
import type { ServerState } from "../upstream/server_state.ts";
import type { ListChangeRow } from "./list_changes.ts";

/** What runs in the daemon, as shown by `GET /status` and `exai-daemon ps`. */
export interface DaemonStatus extends JsonObject {
  /** Where the daemon listens; `notes` say why that is not the port of its settings. */
  address: { url: string; notes: string[] };
  servers: ServerStatus[];
  sessions: SessionStatus[];
  /** Calls that wait for something. */
  waiting: WaitingCallRow[];
  /** The configured model providers. */
  providers: JsonObject[];
  /** How often windows were notified that their lists have changed, by cause, the latest first. */
  list_changes: ListChangeRow[];
}

export interface WaitingCallRow extends JsonObject {
  call: string;
  session: string;
  server?: string;
  tool: string;
  waits_for: string;
  /** When the wait began. */
  since: string;
}

/** One running instance of a mounted server, or a configured server when none runs. */
export interface ServerStatus extends JsonObject {
  server: string;
  state: ServerState["is"] | "ending";
  /** What is wrong, and what to do about it. */
  cause?: string;
  advice?: string;
  /** Where it runs. */
  directory?: string;
  /** Whether what it offers is known, for a server that does not run. */
  lists_known?: boolean;
  /** Connection state: idle, connecting, ready, broken, resting or retired. */
  connection?: ConnectionState["state"];
  /** State of the stream for server messages of a remote server: opening, open, waiting or none. */
  listening?: string;
  pid?: number;
  /** Sharing scope: machine, project, window or session. */
  scope?: string;
  share_key?: string;
  /** The account at the server that it is signed in to as, where there may be several. */
  account?: string;
  /** The reason for the scope. */
  why?: string;
  /** Client capabilities it has used in requests to clients. */
  asks?: string[];
  /** Its requests that were rejected because several clients could have been meant. */
  refused_questions?: JsonObject;
  sessions: string[];
  calls: number;
  inflight: number;
  /** Calls that wait for a slot (`maxInflight`). */
  queued: number;
  /** The program that runs in place of the configured wrapper. */
  runs?: string;
  memory_bytes?: number;
  started_at?: string;
  /** Consecutive failures since the last successful start. */
  failures?: number;
  last_error?: string;
  /** Faults in its lists. */
  list_faults?: string[];
  /** Time of the next start attempt. */
  retry_at?: string;
  /** State of its circuit breaker. */
  breaker?: JsonObject;
}

/** One attached client. */
export interface SessionStatus extends JsonObject {
  session: string;
  client?: string;
  client_version?: string;
  /** Revision of MCP it speaks. */
  revision?: string;
  window?: string;
  /** The process of its shim, if it is on this machine and known. */
  pid?: number;
  connected: boolean;
  /** The one server it is attached to; undefined for the merged ones. */
  server?: string;
  cwd?: string;
  started_at: string;
  last_used_at: string;
  calls: number;
  inflight: number;
  bytes_in: number;
  bytes_out: number;
}
