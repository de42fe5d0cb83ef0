import type { JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import type { BreakerStatus } from "../call/admission.ts";
import { currentWait } from "../call/wait.ts";
import { isoTime, toolOf } from "../observe/record.ts";
import { formatCallId, type RunningCall } from "../observe/running.ts";
import type { ProviderStatus } from "../provider/status.ts";
import type { Session } from "../session/session.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { ProcessRecord } from "../upstream/process_records.ts";
import { decideShare } from "../upstream/share_key.ts";
import type { ConnectionState } from "../upstream/supervisor.ts";
import type { Slot } from "../upstream/slot.ts";

/** What runs in the daemon now, as `GET /status` and `exai-daemon ps` show it. */
export interface DaemonStatus extends JsonObject {
  servers: ServerStatus[];
  sessions: JsonObject[];
  /** The calls that wait for something before they can go on. */
  waiting: WaitingCallRow[];
  /** The providers of models that are set up. */
  providers: JsonObject[];
}

/** A call that waits, and for what. */
interface WaitingCallRow extends JsonObject {
  call: string;
  session: string;
  server?: string;
  tool: string;
  waits_for: string;
  /** Since when it waits for that. */
  since: string;
}

/** One running instance of a mounted server, or the server itself when none runs. */
interface ServerStatus extends JsonObject {
  server: string;
  state: string;
  /** How the connection to it stands: idle, connecting, ready, broken, resting or retired. */
  connection?: ConnectionState["state"];
  /** How the stream stands on which a server behind a URL sends of its own accord: opening, open, waiting or none. */
  listening?: string;
  pid?: number;
  /** Whom it is shared with: machine, project or session. */
  scope?: string;
  share_key?: string;
  /** Why it is shared as far as it is. */
  why?: string;
  /** Client capabilities it has made use of: it asks its clients questions. */
  asks?: string[];
  /** Questions of it that were refused, as they could have been for one of several windows. */
  refused_questions?: JsonObject;
  sessions: string[];
  calls: number;
  inflight: number;
  /** Calls that wait for one of the places it has (`maxInflight`). */
  queued: number;
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

interface StatusSources {
  servers: readonly MountedServer[];
  /** Those that were taken out of the configuration or changed there, while something runs on them. */
  retiring: Iterable<MountedServer>;
  sessions: Iterable<Session>;
  /** Memory of each server's process and all it has started, in bytes, by process id. */
  memory: ReadonlyMap<number, number>;
  /** The calls that run now. */
  running: Iterable<RunningCall>;
  providers: readonly ProviderStatus[];
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
  return { servers, sessions, waiting: describeWaiting(sources.running), providers };
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

function describeProvider({ name, available, reason, restsForMs }: ProviderStatus): JsonObject {
  const breaker = restsForMs === undefined ? "closed" : "open";
  const rest = restsForMs === undefined ? undefined : Math.ceil(restsForMs);
  return { provider: name, available, reason, breaker, retry_after_ms: rest };
}

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
  // Those that do not run are shown for what is wrong with them.
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

const RETIRED = { state: "ending", connection: "retired" } as const;

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
    asks: slot.asked.size > 0 ? [...slot.asked] : undefined,
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

function describeRefused({ refused }: Slot): JsonObject | undefined {
  if (!refused) return undefined;
  const { count, lastMethod, lastAt } = refused;
  return { count, last_method: lastMethod, last_at: lastAt.toISOString() };
}

function describeAdmission({ admission }: ProcessRecord): Pick<ServerStatus, "queued" | "breaker"> {
  return { queued: admission.waiting, breaker: describeBreaker(admission.breaker) };
}

/** Why a process does not run, of one that has failed and not started since. */
function describeTrouble({ supervisor: { trouble } }: ProcessRecord): Partial<ServerStatus> {
  if (!trouble) return {};
  const { failures, crashLimitReached, retryAt, lastError } = trouble;
  const rests = retryAt.getTime() > monotonicNow();
  const state = crashLimitReached ? "crash limit reached" : rests ? "backing off" : "failed";
  const connection = rests ? "resting" : "broken";
  return { state, connection, failures, last_error: lastError, retry_at: retryAt.toISOString() };
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
