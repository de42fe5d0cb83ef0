import type { Json } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { ServerStatus, SessionStatus } from "./status_rows.ts";

/** What has changed among rows, as members of a line. */
interface RowChanges {
  rows: string;
  gone: string[];
}

/** A row, with its JSON text. */
interface WatchedRow {
  row: Json;
  /** Made when it is first told: of many servers and windows, most stay as they are. */
  text(): string;
}

/** Rows by key: what of them has changed since they were last looked at, and all of them. */
export class WatchedRows {
  #rows = new Map<string, WatchedRow>();

  /** Takes over `rows`; undefined: nothing has changed. */
  update(rows: ReadonlyMap<string, Json>): RowChanges | undefined {
    const before = this.#rows;
    this.#rows = new Map(Array.from(rows, ([key, row]) => {
      const known = before.get(key);
      return [key, known && isSame(known.row, row) ? known : { row, text: once(() => JSON.stringify(row)) }];
    }));
    const changed = Array.from(this.#rows).filter(([key, row]) => before.get(key) !== row);
    const gone = Array.from(before.keys()).filter((key) => !this.#rows.has(key));
    if (changed.length + gone.length === 0) return undefined;
    return { rows: membersOf(changed), gone };
  }

  /** All of them. */
  get whole(): RowChanges {
    return { rows: membersOf(this.#rows), gone: [] };
  }
}

/** A line of `GET /watch` with rows, each of which is JSON already. */
export function rowsLine(
  type: "servers" | "sessions",
  { rows, gone }: RowChanges,
  { atMs, isWhole }: { atMs: number; isWhole: boolean },
): string {
  return `{"type":"${type}","at_ms":${atMs},"whole":${isWhole},"rows":${rows},"gone":${
    JSON.stringify(gone)
  }}\n`;
}

function membersOf(rows: Iterable<[key: string, row: WatchedRow]>): string {
  return `{${Array.from(rows, ([key, { text }]) => `${JSON.stringify(key)}:${text()}`).join(",")}}`;
}

/**
 * Compares rows. 500 servers of 200 windows have 100 000 ids: each is the same string as before, so comparing them takes
 * a tenth of what making texts of them does.
 */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a)) return a.length === b.length && a.every((item, at) => isSame(item, b[at]));
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => isSame(a[name], b[name]));
}

// Also an array, whose items have their places as names.
function isContainer(value: unknown): value is Record<string | number, unknown> {
  return typeof value === "object" && value !== null;
}

/** `make`, called when its value is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * Rows of servers by key: the server, and the share key of a process. A process that ends while its successor runs has
 * its id behind both.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { serverRows } from "./watch_rows.ts";
 *
 * const row = { server: "files", state: "running" as const, sessions: [], calls: 0, inflight: 0, queued: 0 };
 * const rows = serverRows([{ ...row, share_key: "a1", pid: 7 }, { ...row, share_key: "a1", pid: 8 }, row]);
 * assertEquals([...rows.keys()], ["files#a1", "files#a1#8", "files"]);
 * ```
 */
export function serverRows(rows: readonly ServerStatus[]): Map<string, ServerStatus> {
  const byKey = new Map<string, ServerStatus>();
  for (const row of rows) {
    const key = row.share_key === undefined ? row.server : `${row.server}#${row.share_key}`;
    const isTaken = byKey.has(key);
    byKey.set(isTaken ? `${key}#${row.pid ?? byKey.size}` : key, row);
  }
  return byKey;
}

/** Rows of sessions by id, with times that stay the same while nothing is used. */
export class SessionRows {
  #usedAt = new Map<string, string>();

  rowsOf(sessions: readonly SessionStatus[]): Map<string, SessionStatus> {
    const before = this.#usedAt;
    this.#usedAt = new Map();
    return new Map(sessions.map((row) => {
      const last_used_at = steadyTime(before.get(row.session), row.last_used_at);
      this.#usedAt.set(row.session, last_used_at);
      return [row.session, { ...row, last_used_at }];
    }));
  }
}

/** The time is measured by two clocks, which drift. */
function steadyTime(before: string | undefined, now: string): string {
  if (before === undefined) return now;
  return Math.abs(Date.parse(now) - Date.parse(before)) < SECOND_MS ? before : now;
}
