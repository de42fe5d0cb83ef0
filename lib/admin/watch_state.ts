import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { CallControl } from "./call_control.ts";
import type { DaemonStatus } from "./status_rows.ts";
import type { CallChanges, WatchedCalls } from "./watch_calls.ts";
import type { CallsEvent, HelloEvent, NoticeEvent, SampleEvent } from "./watch_event.ts";
import type { MemoryMeter, WatchedMemory } from "./watch_memory.ts";
import { once, rowsLine, serverRows, SessionRows, WatchedRows } from "./watch_rows.ts";

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
  /** How many calls have ended meanwhile, told or not. */
  endCount: number;
  /** Lines with all there is, made once for all who come or were left out. */
  whole(): readonly Uint8Array<ArrayBuffer>[];
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
    const isSampled = atMs - this.#sampledAtMs >= SAMPLE_MS;
    // All that may fail comes first: what is taken over has to be told.
    const health = isSampled ? this.#sources.health() : undefined;
    const [serversNow, sessionsNow] = [serverRows(status.servers), this.#sessionRows.rowsOf(status.sessions)];
    const changes: string[] = [];
    const servers = this.#servers.update(serversNow);
    if (servers) changes.push(rowsLine("servers", servers, { atMs, isWhole: false }));
    const sessions = this.#sessions.update(sessionsNow);
    if (sessions) changes.push(rowsLine("sessions", sessions, { atMs, isWhole: false }));
    const { endCount } = this.#calls;
    const changed = this.#calls.takeChanges();
    const hasChanged = changed.calls.length + changed.leftOut > 0;
    const calls = hasChanged ? [lineOf(callsEvent(changed, atMs))] : [];
    changes.push(...calls);
    if (health) changes.push(...this.#takeSample({ status, health, atMs }));
    void this.#memory.measure(status);
    const whole = once(() => this.#whole(atMs, calls));
    return { atMs, changes: changes.map(encode), endCount, whole };
  }

  /** @param calls lines of those that have changed: one that has just ended runs no more, and is told to nobody else */
  #whole(atMs: number, calls: readonly string[]): Uint8Array<ArrayBuffer>[] {
    const lines = [
      rowsLine("servers", this.#servers.whole, { atMs, isWhole: true }),
      rowsLine("sessions", this.#sessions.whole, { atMs, isWhole: true }),
      lineOf(callsEvent(this.#calls.running(), atMs)),
      ...calls,
      lineOf(this.#notice ??= this.#noticeAt(atMs, this.#sources.health())),
      ...(this.#sample ? [lineOf(this.#sample)] : []),
    ];
    return lines.map(encode);
  }

  #takeSample(
    { status, health, atMs }: { status: DaemonStatus; health: WatchedHealth; atMs: number },
  ): string[] {
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

function callsEvent({ calls, leftOut, isWhole }: CallChanges, atMs: number): CallsEvent {
  return { type: "calls", at_ms: atMs, whole: isWhole, calls, left_out: leftOut };
}

/** Tells one who was left out of lines how many calls ended meanwhile. */
export function leftOutLine(leftOut: number, atMs: number): Uint8Array<ArrayBuffer> {
  return encodeLine(callsEvent({ calls: [], leftOut, isWhole: false }, atMs));
}

function isSameNotice(a: NoticeEvent, b: NoticeEvent | undefined): boolean {
  return b !== undefined && JSON.stringify([a.faults, a.notes]) === JSON.stringify([b.faults, b.notes]);
}

function lineOf(event: JsonObject): string {
  return JSON.stringify(event) + "\n";
}

const encoder = new TextEncoder();

/** A line of the stream. */
export function encodeLine(event: JsonObject): Uint8Array<ArrayBuffer> {
  return encode(lineOf(event));
}

function encode(line: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(line);
}
