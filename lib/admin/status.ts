import type { JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import type { BreakerStatus } from "../call/admission.ts";
import { currentWait } from "../call/wait.ts";
import { isoTime, toolOf } from "../observe/call_record.ts";
import type { ListChangeFigures } from "../observe/metrics.ts";
import { formatCallId, type RunningCall } from "../observe/running_calls.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import type { Session } from "../session/session.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { ProcessRecord } from "../upstream/process_records.ts";
import { decideShare } from "../upstream/share_key.ts";
import type { ConnectionState } from "../upstream/supervisor.ts";
import type { Slot } from "../upstream/slot.ts";

/** What runs in the daemon, as shown by `GET /status` and `exai-daemon ps`. */
export interface DaemonStatus extends JsonObject {
  servers: ServerStatus[];
  sessions: JsonObject[];
  /** Calls that wait for something. */
  waiting: WaitingCallRow[];
  /** The configured model providers. */
  providers: JsonObject[];
  /** How often windows were notified that their lists have changed, by cause, the latest first. */
  list_changes: ListChangeRow[];
}

interface ListChangeRow extends JsonObject {
  /** Why: mounted, removed, known, changed, renamed or settings. */
  cause: string;
  server?: string;
  count: number;
  last_at: string;
}

interface WaitingCallRow extends JsonObject {
  call: string;
  session: string;
  server?: string;
  tool: string;
  waits_for: string;
  /** When the wait began. */
  since: string;
}

/** One running instance of a mounted server, or the server when none runs. */
interface ServerStatus extends JsonObject {
  server: string;
  state: string;
  /** Connection state: idle, connecting, ready, broken, resting or retired. */
  connection?: ConnectionState["state"];
  /** State of the stream for server messages of a remote server: opening, open, waiting or none. */
  listening?: string;
  pid?: number;
  /** Sharing scope: machine, project or session. */
  scope?: string;
  share_key?: string;
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

interface StatusSources {
  servers: readonly MountedServer[];
  /** Servers that were removed from the configuration or changed, while they still have running instances. */
  retiring: Iterable<MountedServer>;
  sessions: Iterable<Session>;
  /** Memory of each server's process tree, in bytes, by process id. */
  memory: ReadonlyMap<number, number>;
  /** The calls in flight. */
  running: Iterable<RunningCall>;
  providers: readonly ProviderStatus[];
  listChanges: ListChangeFigures;
}

/** Collects the status of every mounted server and session. */
export function buildStatus(sources: StatusSources): DaemonStatus {
  const servers = [...sources.servers, ...sources.retiring].flatMap((server) => {
    const faults = server.listFaults;
    const list_faults = faults.length === 0 ? undefined : faults;
    return describeServer(server, sources.memory).map((row) => ({ ...row, list_faults }));
  });
  const providers = sources.providers.map(describeProvider);
  const sessions = Array.from(sources.sessions, describeSession);
  const list_changes = sources.listChanges.causes.map(({ cause, server, count, lastAt }) => {
    return { cause, server, count, last_at: lastAt.toISOString() };
  });
  return { servers, sessions, waiting: describeWaiting(sources.running), providers, list_changes };
}

function describeWaiting(running: Iterable<RunningCall>): WaitingCallRow[] {
  return Array.from(running).flatMap(({ id, call }) => {
    const wait = currentWait(call.trace);
    if (!wait) return [];
    const since = isoTime(Date.now() - (performance.now() - wait.sinceMs));
    const { caller, trace } = call;
    const what = { server: trace?.server, tool: toolOf(call), waits_for: wait.what(), since };
    return [{ call: formatCallId(id), session: caller.id, ...what }];
  });
}

function describeBreaker(status: BreakerStatus | undefined): JsonObject | undefined {
  if (!status) return undefined;
  const { state, failures, lastError, retryAfterMs, refusedSessions } = status;
  return {
    state,
    failures,
    last_error: failures > 0 ? lastError : undefined,
    retry_after_ms: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs),
    refused_sessions: refusedSessions > 0 ? refusedSessions : undefined,
  };
}

function describeProvider(
  { name, available, reason, circuitOpenForMs }: ProviderStatus,
): JsonObject {
  const breaker = circuitOpenForMs === undefined ? "closed" : "open";
  const retryAfterMs = circuitOpenForMs === undefined ? undefined : Math.ceil(circuitOpenForMs);
  return { provider: name, available, reason, breaker, retry_after_ms: retryAfterMs };
}

const RETIRED = { state: "ending", connection: "retired" } as const;

function describeServer(server: MountedServer, memory: ReadonlyMap<number, number>): ServerStatus[] {
  const records = new Map(Array.from(server.records, (record) => [record.key, record]));
  const rows = Array.from(server.slots, (slot) => {
    const record = records.get(slot.key);
    records.delete(slot.key);
    return describeSlot(server, { slot, record, memory });
  });
  for (const slot of server.retiring) {
    rows.push({ ...describeSlot(server, { slot, record: undefined, memory }), ...RETIRED });
  }
  if (server.isRetired) return rows.map((row) => ({ ...row, ...RETIRED }));
  // Instances that do not run are shown only with a fault.
  for (const record of records.values()) {
    const trouble = describeTrouble(record);
    if (trouble.state === undefined && record.admission.isClean) continue;
    rows.push(describeIdle(server, { state: "not started", scope: record.scope, share_key: record.keyHash }));
    Object.assign(rows.at(-1)!, trouble, describeAdmission(record));
  }
  if (rows.length > 0) return rows;
  const { scope, why } = decideShare(server.config);
  return [describeIdle(server, { state: "not started", scope, why })];
}

function describeIdle(
  { name }: MountedServer,
  more: Pick<ServerStatus, "state" | "scope" | "share_key" | "why">,
): ServerStatus {
  return { server: name, sessions: [], calls: 0, inflight: 0, queued: 0, ...more };
}

function describeSlot(
  { name }: MountedServer,
  { slot, record, memory }: {
    slot: Slot;
    record: ProcessRecord | undefined;
    memory: ReadonlyMap<number, number>;
  },
): ServerStatus {
  const { started } = slot;
  const pid = started?.pid;
  const row: ServerStatus = {
    server: name,
    state: started ? "running" : "starting",
    pid,
    scope: slot.scope,
    share_key: slot.keyHash,
    why: slot.why,
    asks: slot.usedCapabilities.size > 0 ? [...slot.usedCapabilities] : undefined,
    refused_questions: describeRefused(slot),
    sessions: slot.sessionIds,
    calls: started?.callCount ?? 0,
    inflight: started?.inflight ?? 0,
    queued: 0,
    memory_bytes: pid === undefined ? undefined : memory.get(pid),
    started_at: started?.startedAt.toISOString(),
  };
  if (!record) return row;
  const { state: connection } = record.supervisor.connection;
  Object.assign(row, { connection, listening: started?.listening });
  return { ...(started ? {} : describeTrouble(record)), ...row, ...describeAdmission(record) };
}

function describeRefused({ refusedQuestions }: Slot): JsonObject | undefined {
  if (!refusedQuestions) return undefined;
  const { count, lastMethod, lastAt } = refusedQuestions;
  return { count, last_method: lastMethod, last_at: lastAt.toISOString() };
}

function describeAdmission({ admission }: ProcessRecord): Pick<ServerStatus, "queued" | "breaker"> {
  return { queued: admission.waiting, breaker: describeBreaker(admission.breaker) };
}

/** The state of a process that has failed and not started since. */
function describeTrouble({ supervisor: { failureState } }: ProcessRecord): Partial<ServerStatus> {
  if (!failureState) return {};
  const { failures, crashLimitReached, retryAt, lastError } = failureState;
  const isBackingOff = retryAt.getTime() > monotonicNow();
  const state = crashLimitReached ? "crash limit reached" : isBackingOff ? "backing off" : "failed";
  const connection = isBackingOff ? "resting" : "broken";
  return { state, connection, failures, last_error: lastError, retry_at: retryAt.toISOString() };
}

function describeSession(session: Session): JsonObject {
  return {
    session: session.id,
    client: session.client?.name,
    client_version: session.client?.version,
    connected: session.isConnected,
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
