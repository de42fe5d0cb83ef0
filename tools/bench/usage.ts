import { treeOf } from "../lib/process_table.ts";

const MIB = 1024 * 1024;

/** What kind of memory is counted: shared pages divided among their users where the system tells, else all of it. */
export const MEMORY_KIND = Deno.build.os === "linux" ? "PSS" : "RSS";

/** Memory of `roots` and all below them, in MiB; undefined where the system does not tell. */
export async function memoryMib(roots: readonly number[]): Promise<number | undefined> {
  if (Deno.build.os === "windows") return undefined;
  return await ownMemoryMib(await treeOf(roots));
}

/** Memory of `pids` alone, as {@linkcode memoryMib} counts it. */
export async function ownMemoryMib(pids: readonly number[]): Promise<number | undefined> {
  if (Deno.build.os === "windows") return undefined;
  const sizes = await Promise.all(pids.map(Deno.build.os === "linux" ? pssBytes : rssBytes));
  return sizes.reduce((sum, bytes) => sum + bytes, 0) / MIB;
}

/** Processor time used so far by each thread, in ns. */
type ThreadTimes = ReadonlyMap<string, number>;

/** The processor time of some processes, from a moment on (Linux; elsewhere it cannot be had finely). */
export class CpuWatch {
  readonly #pids: readonly number[];
  readonly #before: ThreadTimes;

  private constructor(pids: readonly number[], before: ThreadTimes) {
    this.#pids = pids;
    this.#before = before;
  }

  /** Watches `pids` and nothing below them. */
  static async start(pids: readonly number[]): Promise<CpuWatch | undefined> {
    if (Deno.build.os !== "linux") return undefined;
    return new CpuWatch(pids, await threadTimes(pids));
  }

  /** What has been used since the start, in ms. What a thread used that has ended since is not known. */
  async usedMs(): Promise<number> {
    let ns = 0;
    for (const [thread, after] of await threadTimes(this.#pids)) {
      ns += after - (this.#before.get(thread) ?? 0);
    }
    return ns / 1e6;
  }
}

/** The memory one process has in use at most (Linux). */
export class PeakMemory {
  readonly #pid: number;
  readonly #atRestBytes: number;

  private constructor(pid: number, atRestBytes: number) {
    this.#pid = pid;
    this.#atRestBytes = atRestBytes;
  }

  /** Watches `pid`, which is at rest now; undefined where the system keeps no peak. */
  static async watch(pid: number): Promise<PeakMemory | undefined> {
    const atRestBytes = await statusBytes(pid, "VmRSS");
    return atRestBytes === undefined ? undefined : new PeakMemory(pid, atRestBytes);
  }

  /** Forgets the peak so far. */
  async reset(): Promise<void> {
    // proc_pid_clear_refs(5)
    await Deno.writeTextFile(`/proc/${this.#pid}/clear_refs`, "5").catch(() => {});
  }

  /** How far the memory rose above that at rest since the last {@linkcode reset}. */
  async risenBytes(): Promise<number> {
    return Math.max(0, (await statusBytes(this.#pid, "VmHWM") ?? 0) - this.#atRestBytes);
  }
}

async function statusBytes(pid: number, field: string): Promise<number | undefined> {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(await readProc(`${pid}/status`));
  return found ? Number(found[1]) * 1024 : undefined;
}

async function pssBytes(pid: number): Promise<number> {
  const rollup = await readProc(`${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

async function rssBytes(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", String(pid)] }).output();
  return Number(new TextDecoder().decode(stdout).trim()) * 1024;
}

// The scheduler's own account is exact; that of /proc/PID/stat comes in ticks of ten milliseconds.
async function threadTimes(pids: readonly number[]): Promise<ThreadTimes> {
  const times = new Map<string, number>();
  await Promise.all(pids.map(async (pid) => {
    try {
      for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
        const stat = await readProc(`${pid}/task/${name}/schedstat`);
        times.set(`${pid}/${name}`, Number(stat.split(" ")[0] ?? 0));
      }
    } catch {
      // It has ended.
    }
  }));
  return times;
}

async function readProc(path: string): Promise<string> {
  return await Deno.readTextFile(`/proc/${path}`).catch(() => "");
}
