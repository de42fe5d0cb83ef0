import type { BreakerStatus } from "../admission/breaker.ts";
import type { JsonObject } from "../base/json.ts";
import { steadyNow } from "../base/steady.ts";
import type { ProviderStatus } from "../provider/status.ts";
import type { Session } from "../session/session.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { Breakers } from "./breakers.ts";

/** What runs in the daemon now, as `GET /status` and `exai-daemon ps` show it. */
export interface DaemonStatus extends JsonObject {
  servers: ServerStatus[];
  sessions: JsonObject[];
  /** The providers of models that are set up. */
  providers: JsonObject[];
}

/** One running instance of a mounted server, or the server itself when none runs. */
export interface ServerStatus extends JsonObject {
  server: string;
  state: string;
  pid?: number;
  /** Whom it is shared with: machine, project or session. */
  scope?: string;
  share_key?: string;
  sessions: string[];
  calls: number;
  inflight: number;
  memory_bytes?: number;
  started_at?: string;
  /** How often it has failed in a row, of a server that has not started since. */
  failures?: number;
  last_error?: string;
  /** What is wrong with the lists it shows, of a server that shows some. */
  list_faults?: string[];
  /** When it may be started again. */
  retry_at?: string;
  /** How its circuit breaker stands: closed while calls are made. */
  breaker?: JsonObject;
}

export interface StatusSources {
  servers: readonly MountedServer[];
  sessions: Iterable<Session>;
  /** Memory of each server's process and all it has started, in bytes, by process id. */
  memory: ReadonlyMap<number, number>;
  breakers: Breakers;
  providers: readonly ProviderStatus[];
}

/** Collects the status of every mounted server and session. */
export function buildStatus(sources: StatusSources): DaemonStatus {
  const servers = sources.servers.flatMap((server) => {
    const breaker = describeBreaker(sources.breakers.of(server)?.status);
    const faults = server.listFaults;
    const list_faults = faults.length === 0 ? undefined : faults;
    return describeServer(server, sources.memory).map((row) => ({ ...row, breaker, list_faults }));
  });
  const providers = sources.providers.map(describeProvider);
  return { servers, sessions: Array.from(sources.sessions, describeSession), providers };
}

function describeBreaker(status: BreakerStatus | undefined): JsonObject | undefined {
  if (!status) return undefined;
  const { state, failures, lastError, retryAfterMs } = status;
  const rest = retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs);
  return { state, failures, last_error: failures > 0 ? lastError : undefined, retry_after_ms: rest };
}

function describeProvider({ name, available, reason, restsForMs }: ProviderStatus): JsonObject {
  const breaker = restsForMs === undefined ? "closed" : "open";
  const rest = restsForMs === undefined ? undefined : Math.ceil(restsForMs);
  return { provider: name, available, reason, breaker, retry_after_ms: rest };
}

function describeServer(server: MountedServer, memory: ReadonlyMap<number, number>): ServerStatus[] {
  const slots = [...server.slots];
  if (slots.length === 0) {
    const idle = { server: server.name, sessions: [], calls: 0, inflight: 0 };
    return [{ ...idle, state: "not started", ...describeTrouble(server) }];
  }
  return slots.map((slot): ServerStatus => {
    const { started } = slot;
    const pid = started?.pid;
    const row: ServerStatus = {
      server: server.name,
      state: started ? "running" : "starting",
      pid,
      scope: slot.scope,
      share_key: slot.keyHash,
      sessions: slot.sessionIds,
      calls: started?.callCount ?? 0,
      inflight: started?.inflight ?? 0,
      memory_bytes: pid === undefined ? undefined : memory.get(pid),
      started_at: started?.startedAt.toISOString(),
    };
    return started ? row : { ...describeTrouble(server), ...row };
  });
}

/** Why a server does not run, of one that has failed and not started since. */
function describeTrouble({ trouble }: MountedServer): Partial<ServerStatus> & { state?: string } {
  if (!trouble) return {};
  const { failures, crashLimitReached, retryAt, lastError } = trouble;
  const rests = retryAt.getTime() > steadyNow();
  const state = crashLimitReached ? "crash limit reached" : rests ? "backing off" : "failed";
  return { state, failures, last_error: lastError, retry_at: retryAt.toISOString() };
}

function describeSession(session: Session): JsonObject {
  return {
    session: session.id,
    client: session.client?.name,
    client_version: session.client?.version,
    connected: session.connected,
    server: session.server,
    cwd: session.cwd,
    roots: session.rootsState,
    started_at: session.startedAt.toISOString(),
    last_used_at: session.lastUsedAt.toISOString(),
    calls: session.callCount,
    inflight: session.calls.size,
    bytes_in: session.bytesIn,
    bytes_out: session.bytesOut,
  };
}
