import { treeOf } from "../lib/process_table.ts";

const MIB = 1024 * 1024;

/** What kind of memory is counted: shared pages divided among their users where the system tells, else all of it. */
export const MEMORY_KIND = Deno.build.os === "linux" ? "PSS" : "RSS";

/** Memory of `roots` and all below them, in MiB; undefined where the system does not tell. */
export async function memoryMib(roots: readonly number[]): Promise<number | undefined> {
  if (Deno.build.os === "windows") return undefined;
  const pids = await treeOf(roots);
  const sizes = await Promise.all(pids.map(Deno.build.os === "linux" ? pssBytes : rssBytes));
  return sizes.reduce((sum, bytes) => sum + bytes, 0) / MIB;
}

/** Processor time that `roots` and all below them have used so far, in ms; undefined where it cannot be had finely. */
export async function cpuMs(roots: readonly number[]): Promise<number | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const pids = await treeOf(roots);
  const times = await Promise.all(pids.map(processCpuMs));
  return times.reduce((sum, ms) => sum + ms, 0);
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
async function processCpuMs(pid: number): Promise<number> {
  let ns = 0;
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
      ns += Number((await readProc(`${pid}/task/${name}/schedstat`)).split(" ")[0] ?? 0);
    }
  } catch {
    // It has ended.
  }
  return ns / 1e6;
}

async function readProc(path: string): Promise<string> {
  return await Deno.readTextFile(`/proc/${path}`).catch(() => "");
}
