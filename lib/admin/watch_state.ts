import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { CallControl } from "./call_control.ts";
import type { DaemonStatus } from "./status_rows.ts";
import type { CallChanges, WatchedCalls } from "./watch_calls.ts";
import type { CallsEvent, HelloEvent, NoticeEvent, SampleEvent } from "./watch_event.ts";
import type { MemoryMeter, WatchedMemory } from "./watch_memory.ts";
import { rowsLine, serverRows, SessionRows, WatchedRows } from "./watch_rows.ts";

const SAMPLE_MS = 2 * SECOND_MS;

/** Causes of changed lists in a sample, the latest. */
const MAX_LIST_CHANGES = 100;

/** What of the health report is watched. */
export interface WatchedHealth {
  faults: string[];
  notes: string[];
  inflight: number;
  queued: number;
  windows: number;
  /** Resident memory of the daemon. */
  daemonBytes: number;
}

/** What there is to watch. */
export interface WatchSources {
  hello(): HelloEvent;
  /** @param memory of each server's process with all it has started, in bytes, by process id */
  status(memory: ReadonlyMap<number, number>): DaemonStatus;
  health(): WatchedHealth;
  calls: Pick<CallControl, "running" | "subscribe">;
  meter: MemoryMeter;
}

/** What one look has found. */
export interface WatchLook {
  atMs: number;
  /** Lines with what has changed since the look before. */
  changes: readonly Uint8Array<ArrayBuffer>[];
  /** How many calls are in them, or were left out of them. */
  callCount: number;
  /** Lines with all there is, for one who was left out of `leftOutCalls` calls. */
  whole(leftOutCalls: number): readonly Uint8Array<ArrayBuffer>[];
}

/** What was told of the daemon, and what has changed since. */
export class WatchedState {
  readonly #sources: WatchSources;
  readonly #calls: WatchedCalls;
  readonly #memory: WatchedMemory;
  readonly #servers = new WatchedRows();
  readonly #sessions = new WatchedRows();
  readonly #sessionRows = new SessionRows();
  #sampledAtMs = performance.now();
  #sample: SampleEvent | undefined;
  #notice: NoticeEvent | undefined;

  constructor(sources: WatchSources, { calls, memory }: { calls: WatchedCalls; memory: WatchedMemory }) {
    this.#sources = sources;
    this.#calls = calls;
    this.#memory = memory;
  }

  look(): WatchLook {
    const atMs = Math.round(performance.now());
    const status = this.#sources.status(this.#memory.ofServers);
    const changes: string[] = [];
    const servers = this.#servers.update(serverRows(status.servers));
    if (servers) changes.push(rowsLine("servers", servers, { atMs, isWhole: false }));
    const sessions = this.#sessions.update(this.#sessionRows.rowsOf(status.sessions));
    if (sessions) changes.push(rowsLine("sessions", sessions, { atMs, isWhole: false }));
    const calls = this.#calls.takeChanges();
    const callCount = calls.calls.length + calls.leftOut;
    if (callCount > 0) changes.push(lineOf(callsEvent(calls, { atMs, isWhole: false })));
    const isSampled = atMs - this.#sampledAtMs >= SAMPLE_MS;
    if (isSampled) changes.push(...this.#takeSample(status, atMs));
    void this.#memory.measure(status);
    // Of many servers and windows they are most of the whole: made once, for all who come or were left out.
    const rows = once(() => this.#allRows(atMs));
    return {
      atMs,
      changes: changes.map(encode),
      callCount,
      whole: (leftOutCalls) => [...rows(), ...this.#whole(atMs, leftOutCalls)],
    };
  }

  #allRows(atMs: number): Uint8Array<ArrayBuffer>[] {
    return [
      rowsLine("servers", this.#servers.whole, { atMs, isWhole: true }),
      rowsLine("sessions", this.#sessions.whole, { atMs, isWhole: true }),
    ].map(encode);
  }

  #whole(atMs: number, leftOut: number): Uint8Array<ArrayBuffer>[] {
    const running = this.#calls.running();
    const calls = { calls: running.calls, leftOut: running.leftOut + leftOut };
    const lines = [
      lineOf(callsEvent(calls, { atMs, isWhole: true })),
      lineOf(this.#notice ??= this.#noticeAt(atMs, this.#sources.health())),
      ...(this.#sample ? [lineOf(this.#sample)] : []),
    ];
    return lines.map(encode);
  }

  #takeSample(status: DaemonStatus, atMs: number): string[] {
    const health = this.#sources.health();
    const { inflight, queued, windows, daemonBytes } = health;
    this.#sample = {
      type: "sample",
      at_ms: atMs,
      interval_ms: atMs - this.#sampledAtMs,
      ...this.#calls.takeFigures(),
      inflight,
      queued,
      windows,
      ...this.#memory.sample(status, daemonBytes),
      list_changes: status.list_changes.slice(0, MAX_LIST_CHANGES),
    };
    this.#sampledAtMs = atMs;
    const notice = this.#noticeAt(atMs, health);
    const isNews = !isSameNotice(notice, this.#notice);
    if (isNews) this.#notice = notice;
    return [lineOf(this.#sample), ...(isNews ? [lineOf(notice)] : [])];
  }

  #noticeAt(atMs: number, { faults, notes }: WatchedHealth): NoticeEvent {
    return { type: "notice", at_ms: atMs, faults, notes };
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function callsEvent(
  { calls, leftOut }: CallChanges,
  { atMs, isWhole }: { atMs: number; isWhole: boolean },
): CallsEvent {
  return { type: "calls", at_ms: atMs, whole: isWhole, calls, left_out: leftOut };
}

function isSameNotice(a: NoticeEvent, b: NoticeEvent | undefined): boolean {
  return b !== undefined && JSON.stringify([a.faults, a.notes]) === JSON.stringify([b.faults, b.notes]);
}

function lineOf(event: JsonObject): string {
  return JSON.stringify(event) + "\n";
}

const encoder = new TextEncoder();

function encode(line: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(line);
}
