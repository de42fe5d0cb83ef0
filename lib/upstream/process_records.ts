import { fnv1a } from "../base/text.ts";
import { visible } from "../base/visible.ts";
import { type Admission, UNLIMITED } from "../call/admission.ts";
import type { Caller } from "../call/call.ts";
import { isSameSession } from "../call/owner.ts";
import { CallCrashes } from "./call_crashes.ts";
import { likenessKey, type Scope } from "./share_key.ts";
import type { Slot, SlotRequest } from "./slot.ts";
import { type StartAttempt, Supervisor } from "./supervisor.ts";
import type { ExaiError } from "../base/errors.ts";

/** What an admission is made of: the server, and which of its processes. */
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

/** Makes what decides when calls may run on one process. */
export type AdmissionFor = (process: AdmittedProcess) => Admission;

/** What is remembered of one process, by its share key, whether it runs or not. */
export interface ProcessRecord {
  readonly key: string;
  /** Names the share key without telling what is in it. */
  readonly keyHash: string;
  readonly scope: Scope;
  /** Which of the server's processes it is, for messages; undefined when there is one. */
  readonly where: string | undefined;
  /** Says when it may be started again. */
  readonly supervisor: Supervisor;
  /** Decides when calls may run on it. */
  readonly admission: Admission;
  /** The session it belongs to, of one that belongs to a single session. */
  readonly session: Caller | undefined;
}

interface ProcessRecordsOptions {
  name: string;
  admissionFor?: AdmissionFor;
  /** Whether a process of this key is starting or running. */
  inUse(key: string): boolean;
}

/** So many processes that do not run are remembered, with what went wrong on them; then the oldest is forgotten. */
const MAX_GONE = 256;

/** Of a client's name, this much is shown. */
const MAX_CLIENT_CHARS = 60;

/** How a process that failed was begun, and what was made of it. */
interface StartFailure {
  slot: Slot;
  attempt: StartAttempt;
  reason: ExaiError;
}

/** What is remembered of the processes of one server. */
export class ProcessRecords implements Iterable<ProcessRecord> {
  readonly #options: ProcessRecordsOptions;
  readonly #byKey = new Map<string, ProcessRecord>();
  /** Records of sessions that are over whose process has not ended yet. */
  readonly #over = new WeakSet<ProcessRecord>();
  /** The session whose process was the last to end after a good start, of those that are made alike. */
  readonly #lastEnded = new WeakMap<ProcessRecord, string>();
  /** Calls that have ended processes which other sessions need. */
  readonly crashes: CallCrashes;

  constructor(options: ProcessRecordsOptions) {
    this.#options = options;
    this.crashes = new CallCrashes(options.name);
  }

  [Symbol.iterator](): IterableIterator<ProcessRecord> {
    return this.#byKey.values();
  }

  /** The record of the process of `key`, if anything is remembered of it. */
  known(key: string): ProcessRecord | undefined {
    return this.#byKey.get(key);
  }

  /** The record of the process that `request` asks for. */
  of(request: SlotRequest): ProcessRecord {
    const { key, config, scope, tenant } = request;
    const known = this.#byKey.get(key);
    if (known) return known;
    const { name, admissionFor = () => UNLIMITED } = this.#options;
    const where = placeOf(request);
    const { maxInflight, callTimeoutMs } = config;
    const record: ProcessRecord = {
      key,
      keyHash: fnv1a(key),
      scope,
      where,
      supervisor: new Supervisor(name, { where, isRemote: config.kind !== "stdio" }),
      admission: admissionFor({ name, maxInflight, callTimeoutMs, where, isShared: scope !== "session" }),
      session: scope === "session" ? tenant.caller : undefined,
    };
    this.#byKey.set(key, record);
    this.#prune();
    return record;
  }

  /**
   * Of a server of which each session has its own process: refuses another where those of other sessions that are made
   * alike keep failing. `slots` are those there are; where one of them has been of use, the server is well.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the last failure and when to try again
   */
  checkAlike(request: SlotRequest, slots: Iterable<Slot>): void {
    const alike = this.#alike(request);
    if (!alike) return;
    for (const slot of slots) {
      if (slot.likeness === alike.key && slot.hasAnswered) return void this.#byKey.delete(alike.key);
    }
    alike.supervisor.check();
  }

  /** The process made for `request` has failed: what that says of others that are made alike is remembered. */
  failedAlike(request: SlotRequest, { slot, attempt, reason }: StartFailure): void {
    const known = this.#alike(request);
    if (slot.likeness === undefined || reason.details?.fault === "caller") return;
    if (slot.hasAnswered) return void this.#byKey.delete(slot.likeness);
    const alike = known ?? this.#addAlike(request, slot.likeness);
    const session = request.tenant.caller.id;
    const hasStarted = attempt.startedAtMs !== undefined;
    // One session may end its process again and again by what it asks of it: that says nothing to others.
    if (hasStarted && this.#lastEnded.get(alike) === session) return;
    if (hasStarted) this.#lastEnded.set(alike, session);
    alike.supervisor.failed(attempt, reason);
  }

  #alike({ scope, config, tenant, told }: SlotRequest): ProcessRecord | undefined {
    return scope === "session" ? this.#byKey.get(likenessKey(config, tenant, told)) : undefined;
  }

  #addAlike({ config, scope, tenant: { workspace } }: SlotRequest, key: string): ProcessRecord {
    const where = workspace === undefined ? "in every window" : `in every window of ${visible(workspace)}`;
    const supervisor = new Supervisor(this.#options.name, { where, isRemote: config.kind !== "stdio" });
    const keyHash = fnv1a(key);
    const record = { key, keyHash, scope, where, supervisor, admission: UNLIMITED, session: undefined };
    this.#byKey.set(key, record);
    this.#prune();
    return record;
  }

  /** The process of `key` has ended: nothing is kept of one that was well. */
  release(key: string): void {
    const record = this.#byKey.get(key);
    if (record && (isClean(record) || this.#over.has(record))) this.#byKey.delete(key);
  }

  /** A session is over: nobody asks again for a process that was its own. */
  forget(caller: Caller): void {
    this.crashes.forget(caller);
    for (const record of this.#byKey.values()) {
      record.admission.forget(caller.id);
      if (!record.session || !isSameSession(record.session, caller)) continue;
      if (this.#options.inUse(record.key)) this.#over.add(record);
      else this.#byKey.delete(record.key);
    }
  }

  /** The configuration was read again: the past does not count any more. */
  forgive(): void {
    this.crashes.clear();
    for (const { key, supervisor, admission } of this.#byKey.values()) {
      supervisor.forgive();
      admission.reset();
      if (!this.#options.inUse(key)) this.release(key);
    }
  }

  #prune(): void {
    const gone = [...this.#byKey.keys()].filter((key) => !this.#options.inUse(key));
    // The newest is about to start.
    for (const key of gone.slice(0, Math.max(0, gone.length - 1 - MAX_GONE))) this.#byKey.delete(key);
  }
}

function isClean({ supervisor, admission }: ProcessRecord): boolean {
  return supervisor.isClean && admission.isClean;
}

function placeOf({ scope, tenant }: SlotRequest): string | undefined {
  switch (scope) {
    case "machine":
      return undefined;
    case "project":
      return tenant.workspace === undefined ? undefined : `in ${visible(tenant.workspace)}`;
    case "session":
      return `of the window ${visible(tenant.caller.client?.name ?? "", MAX_CLIENT_CHARS)}`.trimEnd();
  }
}
