import type { ServerConfig } from "../config/server_config.ts";
import type { ListKind } from "../call/server.ts";
import type { Implementation } from "../wire/mcp.ts";
import type { AdmissionFactory } from "./process_records.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";

/** Connects to a server as its configuration says: starts the process, or opens the URL. */
export type Connect = (config: ServerConfig) => Promise<UpstreamTransport>;

/** What a pool is made with. */
export interface PoolOptions {
  name: string;
  connect: Connect;
  clientInfo: Implementation;
  /** Decides when calls may run on each process; left out: at once. */
  admissionFor?: AdmissionFactory;
  /** Takes a line for the server's own log file: what it sends that belongs to no session. */
  log?(server: string, text: string): void;
  /** How long after a call what a server says may be about it, in milliseconds. */
  settleMs?: number;
  daemonId?: string;
  onListChanged(kinds: readonly ListKind[]): void;
}
