import type { JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { onlyAccount } from "../config/account_choice.ts";
import type { ServersChange } from "../config/servers_watch.ts";
import type { BreakerStatus } from "../call/admission.ts";
import { sessionIdOf } from "../call/owner.ts";
import { currentWait } from "../call/wait.ts";
import { isoTime, toolOf } from "../observe/call_record.ts";
import type { ListChangeFigures } from "../observe/metrics.ts";
import { listChangeRows } from "./list_changes.ts";
import type { DaemonStatus, ServerStatus, SessionStatus, WaitingCallRow } from "./status_rows.ts";
import { formatCallId, type RunningCall } from "../observe/running_calls.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import type { Session } from "../session/session.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { ProcessRecord } from "../upstream/process_records.ts";
import type { Slot } from "../upstream/slot.ts";
import {
  hasFailed,
  type ServerState,
  stateOfEntry,
  stateOfStopped,
  stateOfUnused,
  troubleOf,
} from "../upstream/server_state.ts";

interface StatusSources {
  address: { url: string; notes: string[] };
  servers: readonly MountedServer[];
  /** Entries of the configuration that no server was made of. */
  configured: Pick<ServersChange, "faulty" | "disabled">;
  /** Servers that were removed from the configuration or changed, while they still have running instances. */
  retiring: Iterable<MountedServer>;
  sessions: Iterable<Session>;
  /** What runs in place of a configured wrapper (`npx`), by process id. */
  programs: ReadonlyMap<number, string>;
  /** Memory of each server's process tree, in bytes, by process id. */
  memory: ReadonlyMap<number, number>;
  /** The calls in flight. */
  running: Iterable<RunningCall>;
  providers: readonly ProviderStatus[];
  listChanges: ListChangeFigures;
}

/** Collects the status of every mounted server and session. */
export function buildStatus(sources: StatusSources): DaemonStatus {
  const open = [...sources.sessions];
  const mounted = [...sources.servers, ...sources.retiring].flatMap((server) => {
    const faults = server.lists.faults;
    const list_faults = faults.length === 0 ? undefined : faults;
    const windows = open.filter((session) => session.server === undefined || session.server === server.name);
    return describeServer(server, { memory: sources.memory, windows }).map((row) => ({
      ...row,
      runs: row.pid === undefined ? undefined : sources.programs.get(row.pid),
      list_faults,
    }));
  });
  const servers = [...mounted, ...describeEntries(sources.configured)]
    .sort((a, b) => a.server < b.server ? -1 : a.server > b.server ? 1 : 0);
  const providers = sources.providers.map(describeProvider);
  const sessions = open.map(describeSession);
  const waiting = describeWaiting(sources.running);
  const list_changes = listChangeRows(sources.listChanges);
  return { address: sources.address, servers, sessions, waiting, providers, list_changes };
}

function describeWaiting(running: Iterable<RunningCall>): WaitingCallRow[] {
  return Array.from(running).flatMap(({ id, call }) => {
    const wait = currentWait(call.trace);
    if (!wait) return [];
    const since = isoTime(Date.now() - (performance.now() - wait.sinceMs));
    const { caller, trace } = call;
    const what = { server: trace?.server, tool: toolOf(call), waits_for: wait.what(), since };
    return [{ call: formatCallId(id), session: sessionIdOf(caller), ...what }];
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

/** The entries that no server was made of, or that a server still runs without. */
function describeEntries({ faulty, disabled }: StatusSources["configured"]): ServerStatus[] {
  const states = [
    ...faulty.map((entry) => [entry.name, stateOfEntry(entry)] as const),
    ...disabled.map((name) => [name, { is: "disabled" }] as const),
  ];
  return states.map(([name, state]) => describeIdle(name, state, {}));
}

function describeServer(
  server: MountedServer,
  { memory, windows }: { memory: ReadonlyMap<number, number>; windows: readonly Session[] },
): ServerStatus[] {
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
  const stopped = [...records.values()].sort((a, b) => Number(a.isProbe) - Number(b.isProbe));
  for (const record of stopped) {
    const state = stateOfStopped(record);
    const isWorthARow = hasFailed(state) || state.is === "needs a login";
    if (!isWorthARow && record.admission.isClean) continue;
    // It says nothing that a window's process does not say.
    if (record.isProbe && rows.length > 0) continue;
    const { scope, keyHash, directory } = record;
    const row = describeIdle(server.name, state, { scope, share_key: keyHash, directory });
    rows.push({ ...row, ...describeFailure(state), ...describeAdmission(record) });
  }
  if (rows.length > 0) return rows;
  const { scope, why } = server.sharing;
  const state = stateOfUnused(server.config, windows);
  return [describeIdle(server.name, state, { scope, why, lists_known: server.lists.areThere })];
}

function describeIdle(
  server: string,
  state: ServerState,
  more: Pick<ServerStatus, "scope" | "share_key" | "why" | "directory" | "lists_known">,
): ServerStatus {
  const counts = { sessions: [], calls: 0, inflight: 0, queued: 0 };
  const { cause, advice } = troubleOf(server, state) ?? {};
  return { server, state: state.is, ...counts, ...more, cause, advice };
}

function describeSlot(
  { name, sharing, config }: MountedServer,
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
    account: onlyAccount(config) === undefined ? slot.listScope.account : undefined,
    why: whyShared(slot, sharing),
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
  Object.assign(row, { connection, listening: started?.listening, directory: record.directory });
  const trouble = started ? {} : describeFailure(stateOfStopped(record));
  return { ...trouble, ...row, ...describeAdmission(record) };
}

/** Why a process is shared as far as it is, by what is known now. */
function whyShared({ scope, why }: Slot, now: MountedServer["sharing"]): string {
  if (now.scope === scope) return now.why;
  return scope === "project" ? `less was known when it started; the next one: ${now.scope}, ${now.why}` : why;
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
function describeFailure(state: ServerState): Partial<ServerStatus> {
  if (!hasFailed(state)) return {};
  const { failures, retryAt, lastError } = state;
  const connection = retryAt.getTime() > monotonicNow() ? "resting" : "broken";
  return { connection, failures, last_error: lastError, retry_at: retryAt.toISOString() };
}

function describeSession(session: Session): SessionStatus {
  return {
    session: session.id,
    client: session.client?.name,
    client_version: session.client?.version,
    revision: session.revision ?? session.modern.revision,
    window: session.window?.label,
    pid: session.pid,
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
