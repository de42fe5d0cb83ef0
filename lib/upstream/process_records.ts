import { fnv1a } from "../base/text.ts";
import { visible } from "../base/visible.ts";
import { type Admission, UNLIMITED } from "../call/admission.ts";
import type { Call, Caller } from "../call/call.ts";
import { endsWithCaller } from "../call/owner.ts";
import type { Result } from "../wire/rpc.ts";
import { ClientRefusedError } from "./instance/link/initialize.ts";
import { isListReader } from "./lists/list_reader.ts";
import { CallCrashes } from "./call_crashes.ts";
import { type Audience, audienceOf, placeKey } from "./audience.ts";
import { processGroupKey } from "./share_key.ts";
import type { Scope } from "./sharing/decide_share.ts";
import { knownServer } from "./sharing/known_servers.ts";
import type { Slot } from "./slot.ts";
import type { SlotRequest } from "./slot_request.ts";
import { isLoginRequired, type StartAttempt, Supervisor } from "./supervisor.ts";
import type { ExaiError } from "../base/errors.ts";

/** The process an admission is made for. */
export interface AdmittedProcess {
  /** The server's name, for messages. */
  name: string;
  maxInflight?: number;
  callTimeoutMs?: number;
  /** Which of the server's processes it is, for messages; undefined when there is one. */
  where?: string;
  /** Whether several sessions may call it. */
  isShared?: boolean;
}

/** Creates the admission of one process. */
export type AdmissionFactory = (process: AdmittedProcess) => Admission;

/** What is remembered of the process of one share key, whether it runs or not. */
export interface ProcessRecord {
  readonly key: string;
  /** Identifies the share key without revealing the environment in it. */
  readonly keyHash: string;
  readonly scope: Scope;
  /** Which of the server's processes it is, for messages; undefined when there is one. */
  readonly where: string | undefined;
  /** Decides when it may be started again. */
  readonly supervisor: Supervisor;
  /** Decides when calls may run on it. */
  readonly admission: Admission;
  /** Its only session, for scope `session`. */
  readonly session: Caller | undefined;
  /** The windows that a failure of it concerns. */
  readonly audience: Audience;
  /** The directory it runs in; undefined for a server behind a URL. */
  readonly directory: string | undefined;
  /** Whether it is started only to read its lists, in a directory that is no window's. */
  readonly isProbe: boolean;
}

/** What happened to a process that its windows are told of. */
type ProcessEvent =
  /** It did not start, or has ended by itself; `hadStarted`: after it had answered `initialize`. */
  | { is: "failed"; reason: ExaiError; hadStarted: boolean }
  /** It has answered `initialize`. */
  | { is: "started" }
  /** It has answered its first call that does work. */
  | { is: "answered" };

/** Takes what happens to the processes of the server `server`. */
export type ProcessEventListener = (server: string, record: ProcessRecord, event: ProcessEvent) => void;

interface ProcessRecordsOptions {
  name: string;
  /** Decides when calls may run on each process; left out: at once. */
  admissionFor?: AdmissionFactory;
  /** Called when a process of the server fails or shows that it works. */
  onProcessEvent?: ProcessEventListener;
  /** Whether a process of this key is starting or running. */
  inUse(key: string): boolean;
}

/** Records kept of processes that do not run; beyond that the oldest are forgotten. */
const MAX_STOPPED = 256;

/** Longest client name shown in messages. */
const MAX_CLIENT_CHARS = 60;

/** A process that has failed. */
interface StartFailure {
  slot: Slot;
  attempt: StartAttempt;
  reason: ExaiError;
}

/** What is remembered of the processes of one server. */
export class ProcessRecords implements Iterable<ProcessRecord> {
  readonly #options: ProcessRecordsOptions;
  readonly #byKey = new Map<string, ProcessRecord>();
  /** Records of ended sessions whose process has not ended yet. */
  readonly #orphaned = new WeakSet<ProcessRecord>();
  /** The session whose process was the last of its group to end after it had started. */
  readonly #lastEnded = new WeakMap<ProcessRecord, string>();
  /** Calls that have crashed processes shared with other sessions. */
  readonly crashes: CallCrashes;

  constructor(options: ProcessRecordsOptions) {
    this.#options = options;
    this.crashes = new CallCrashes(options.name);
  }

  [Symbol.iterator](): IterableIterator<ProcessRecord> {
    return this.#byKey.values();
  }

  /** The record of the process of `key`, if there is one. */
  known(key: string): ProcessRecord | undefined {
    return this.#byKey.get(key);
  }

  /** The record of the process of `request`, created if there is none. */
  of(request: SlotRequest): ProcessRecord {
    const { key, config, scope, session } = request;
    const known = this.#byKey.get(key);
    if (known) return known;
    const { name, admissionFor = () => UNLIMITED } = this.#options;
    const where = placeOf(request);
    const { maxInflight = knownServer(config)?.maxInflight, callTimeoutMs } = config;
    const record: ProcessRecord = {
      key,
      keyHash: fnv1a(key),
      scope,
      where,
      supervisor: new Supervisor(name, { where, isRemote: config.kind !== "stdio" }),
      admission: admissionFor({ name, maxInflight, callTimeoutMs, where, isShared: scope !== "session" }),
      session: scope === "session" ? session.caller : undefined,
      audience: audienceOf(request),
      directory: config.kind === "stdio" ? config.cwd : undefined,
      isProbe: isListReader(session.caller),
    };
    this.#byKey.set(key, record);
    this.#prune();
    return record;
  }

  /** A process of `record` has answered `initialize`. */
  started(record: ProcessRecord, attempt: StartAttempt): void {
    record.supervisor.started(attempt);
    this.#report(record, { is: "started" });
  }

  /** A process of `record` has ended by itself or could not be started. */
  failed(record: ProcessRecord, attempt: StartAttempt, reason: ExaiError): void {
    record.supervisor.failed(attempt, reason);
    this.#report(record, { is: "failed", reason, hadStarted: attempt.startedAtMs !== undefined });
  }

  /** The process of `slot` has answered a call that does work. */
  answered(slot: Slot, call: Call, result: Result): void {
    const record = slot.hasAnswered ? undefined : this.#byKey.get(slot.key);
    slot.answered(call, result);
    if (record) this.#report(record, { is: "answered" });
  }

  #report(record: ProcessRecord, event: ProcessEvent): void {
    this.#options.onProcessEvent?.(this.#options.name, record, event);
  }

  /**
   * Rejects a process of one session while other processes of its group keep failing, unless one of `slots` in the
   * group has answered a call.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the last failure and `retryAfterMs`
   */
  checkGroup(request: SlotRequest, slots: Iterable<Slot>): void {
    const group = this.#groupOf(request);
    if (!group) return;
    for (const slot of slots) {
      if (slot.groupKey === group.key && slot.hasAnswered) return void this.#byKey.delete(group.key);
    }
    group.supervisor.check();
  }

  /** The process started for `request` has failed: notes the failure for its group. */
  groupFailed(request: SlotRequest, { slot, attempt, reason }: StartFailure): void {
    const known = this.#groupOf(request);
    if (slot.groupKey === undefined || reason.details?.fault === "caller" || isLoginRequired(reason)) return;
    // Each is told what its own client can do: a refusal of that says nothing of the others.
    if (reason.cause instanceof ClientRefusedError) return;
    if (slot.hasAnswered) return void this.#byKey.delete(slot.groupKey);
    const group = known ?? this.#addGroup(request, slot.groupKey);
    const session = request.session.caller.id;
    const hasStarted = attempt.startedAtMs !== undefined;
    // Crashes of one session in a row may be caused by its own calls.
    if (hasStarted && this.#lastEnded.get(group) === session) return;
    if (hasStarted) this.#lastEnded.set(group, session);
    group.supervisor.failed(attempt, reason);
  }

  #groupOf({ scope, config, session }: SlotRequest): ProcessRecord | undefined {
    return scope === "session" ? this.#byKey.get(processGroupKey(config, session)) : undefined;
  }

  #addGroup({ config, scope, session: { workspace, caller } }: SlotRequest, key: string): ProcessRecord {
    const where = workspace === undefined ? "in every window" : `in every window of ${visible(workspace)}`;
    const supervisor = new Supervisor(this.#options.name, { where, isRemote: config.kind !== "stdio" });
    const keyHash = fnv1a(key);
    const record: ProcessRecord = {
      ...{ key, keyHash, scope, where, supervisor, admission: UNLIMITED, session: undefined },
      audience: { of: "directory", place: placeKey(caller, workspace) },
      directory: workspace,
      isProbe: isListReader(caller),
    };
    this.#byKey.set(key, record);
    this.#prune();
    return record;
  }

  /** The process of `key` has ended: drops its record unless that holds failures. */
  release(key: string): void {
    const record = this.#byKey.get(key);
    if (record && (isClean(record) || this.#orphaned.has(record))) this.#byKey.delete(key);
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.crashes.forget(caller);
    for (const record of this.#byKey.values()) {
      record.admission.forget(caller.id);
      if (!record.session || !endsWithCaller(record.session, caller)) continue;
      if (this.#options.inUse(record.key)) this.#orphaned.add(record);
      else this.#byKey.delete(record.key);
    }
  }

  /** Forgets past failures, of the processes of one key or of all. */
  resetBackoff(only?: string): void {
    if (only === undefined) this.crashes.clear();
    for (const { key, keyHash, supervisor, admission } of this.#byKey.values()) {
      if (only !== undefined && keyHash !== only) continue;
      supervisor.resetBackoff();
      admission.reset();
      if (!this.#options.inUse(key)) this.release(key);
    }
  }

  #prune(): void {
    const stopped = [...this.#byKey.keys()].filter((key) => !this.#options.inUse(key));
    // The newest is about to start.
    for (const key of stopped.slice(0, Math.max(0, stopped.length - 1 - MAX_STOPPED))) {
      this.#byKey.delete(key);
    }
  }
}

function isClean({ supervisor, admission }: ProcessRecord): boolean {
  return supervisor.isClean && admission.isClean;
}

function placeOf({ scope, session }: SlotRequest): string | undefined {
  switch (scope) {
    case "machine":
      return undefined;
    case "project":
      return session.workspace === undefined ? undefined : `in ${visible(session.workspace)}`;
    case "window":
    case "session":
      return `of the window ${visible(session.caller.client?.name ?? "", MAX_CLIENT_CHARS)}`.trimEnd();
  }
}
