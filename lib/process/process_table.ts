import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { KIB, MIB, SECOND_MS } from "../base/units.ts";

const run = promisify(execFile);
const COMMAND_OPTIONS = { timeout: 5 * SECOND_MS, maxBuffer: 16 * MIB };

/** One running process. */
export interface ProcessRow {
  pid: number;
  ppid: number;
  /** Process group; 0 on Windows. */
  pgid: number;
  /** Distinguishes this process from a later one with the same pid. */
  startedAt: string;
  /** Resident memory, if the table has it; on Linux it is read for each process. */
  rssBytes?: number;
}

/** Every process of the machine; empty when the system does not list them. */
export async function processTable(): Promise<ProcessRow[]> {
  try {
    if (Deno.build.os === "linux") return await linuxTable();
    if (Deno.build.os !== "windows") return await psTable();
    const { readWindowsTable } = await import("./windows/process_table.ts");
    return readWindowsTable().map((row) => ({ ...row, pgid: 0 }));
  } catch {
    return [];
  }
}

/**
 * The processes `roots`, their descendants, and the rest of their groups.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { treeOf } from "./process_table.ts";
 *
 * const row = (pid: number, ppid: number) => ({ pid, ppid, pgid: pid, startedAt: "" });
 * assertEquals(treeOf([2], [row(1, 0), row(2, 1), row(3, 2)]).map(({ pid }) => pid), [2, 3]);
 * ```
 */
export function treeOf(roots: Iterable<number>, table: readonly ProcessRow[]): ProcessRow[] {
  return treesIn(table)(roots);
}

/** As {@linkcode treeOf}, for many trees of one table, which is looked through once. */
export function treesIn(table: readonly ProcessRow[]): (roots: Iterable<number>) => ProcessRow[] {
  const byPid = Map.groupBy(table, ({ pid }) => pid);
  const byParent = Map.groupBy(table, ({ ppid }) => ppid);
  const byGroup = Map.groupBy(table, ({ pgid }) => pgid);
  return (roots) => {
    const found = new Set<ProcessRow>();
    const add = (rows: Iterable<ProcessRow> = []) => {
      for (const row of rows) found.add(row);
    };
    for (const root of new Set(roots)) for (const by of [byPid, byParent, byGroup]) add(by.get(root));
    // Those that are added are come to in their turn.
    for (const { pid } of found) add(byParent.get(pid));
    return [...found];
  };
}

/** What a process holds, in bytes. */
interface ProcessMemory {
  /** Resident memory; shared pages count in each process. */
  memoryBytes: number;
  /** What of it is in no file and so another copy of the process would hold again; undefined where the system does not tell. */
  privateBytes?: number;
}

/** What a process and its descendants use. */
export interface TreeUsage extends ProcessMemory {
  processes: number;
}

/** The usage of each tree, by its root. */
export async function treeUsage(roots: readonly number[]): Promise<Map<number, TreeUsage>> {
  if (roots.length === 0) return new Map();
  const treeFrom = treesIn(await processTable());
  const sums = await Promise.all(roots.map(async (root) => {
    const uses = await Promise.all(treeFrom([root]).map(memoryOf));
    return [root, { ...sumOf(uses), processes: uses.length }] as const;
  }));
  return new Map(sums);
}

function sumOf(uses: readonly ProcessMemory[]): ProcessMemory {
  return uses.reduce((sum, { memoryBytes, privateBytes }) => ({
    memoryBytes: sum.memoryBytes + memoryBytes,
    ...(sum.privateBytes === undefined || privateBytes === undefined
      ? {}
      : { privateBytes: sum.privateBytes + privateBytes }),
  }), { memoryBytes: 0, privateBytes: 0 });
}

/** What single processes hold, by process id; those that are gone are left out. */
export async function processMemory(pids: readonly number[]): Promise<Map<number, ProcessMemory>> {
  if (pids.length === 0) return new Map();
  // On Linux each says it by itself, and no table is read.
  const rows = Deno.build.os === "linux" ? pids.map((pid) => ({ pid })) : await processTable();
  const wanted = new Set(pids);
  const uses = await Promise.all(
    rows.filter(({ pid }) => wanted.has(pid)).map(async (row) => [row.pid, await memoryOf(row)] as const),
  );
  return new Map(uses.filter(([, { memoryBytes }]) => memoryBytes > 0));
}

async function memoryOf({ pid, rssBytes }: Pick<ProcessRow, "pid" | "rssBytes">): Promise<ProcessMemory> {
  if (rssBytes !== undefined) return { memoryBytes: rssBytes };
  // Empty for a process that has ended meanwhile, and without sizes for one that has not been waited for.
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  const bytesOf = (line: RegExp) => Number(line.exec(status)?.[1] ?? 0) * KIB;
  return { memoryBytes: bytesOf(/^VmRSS:\s+(\d+) kB/m), privateBytes: bytesOf(/^RssAnon:\s+(\d+) kB/m) };
}

async function linuxTable(): Promise<ProcessRow[]> {
  const names = await Array.fromAsync(Deno.readDir("/proc"), ({ name }) => name);
  const stats = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((pid) =>
      Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "")
    ),
  );
  return stats.filter((stat) => stat !== "").map(readStat);
}

/** A line of `/proc/PID/stat` (proc_pid_stat(5)); the name in brackets may contain anything. */
function readStat(stat: string): ProcessRow {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid: parseInt(stat),
    ppid: Number(fields[1]),
    pgid: Number(fields[2]),
    startedAt: fields[19] ?? "",
  };
}

async function psTable(): Promise<ProcessRow[]> {
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid=,pgid=,rss=,lstart="], COMMAND_OPTIONS);
  return stdout.trim().split("\n").map((line) => {
    const [pid, ppid, pgid, rssKib, ...started] = line.trim().split(/\s+/);
    return {
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: Number(pgid),
      startedAt: started.join(" "),
      rssBytes: Number(rssKib) * KIB,
    };
  });
}
