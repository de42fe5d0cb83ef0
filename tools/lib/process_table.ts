import process from "node:process";

interface Entry {
  parent: number;
  /** Ended, and only its parent does not know yet. */
  isZombie: boolean;
}

/** `roots` and every process below them that runs now. On Windows only the roots, for want of a list. */
export async function treeOf(roots: readonly number[]): Promise<number[]> {
  const table = await processTable();
  const children = new Map<number, number[]>();
  for (const [pid, { parent, isZombie }] of table) {
    if (isZombie) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(pid);
    else children.set(parent, [pid]);
  }
  const found = new Set(roots);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return [...found];
}

/** Those of `pids` that run. A process that has ended and waits to be collected does not. */
export async function running(pids: readonly number[]): Promise<number[]> {
  if (Deno.build.os === "windows") return pids.filter(exists);
  const table = Deno.build.os === "linux" ? await readProc(pids) : await processTable();
  return pids.filter((pid) => table.get(pid)?.isZombie === false);
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function processTable(): Promise<Map<number, Entry>> {
  switch (Deno.build.os) {
    case "linux":
      return await readProc(await allPids());
    case "windows":
      return new Map();
    default:
      return await readPs();
  }
}

async function allPids(): Promise<number[]> {
  const names = await Array.fromAsync(Deno.readDir("/proc"), ({ name }) => name);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

async function readProc(pids: readonly number[]): Promise<Map<number, Entry>> {
  const table = new Map<number, Entry>();
  for (const pid of pids) {
    try {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
      // The name of the program stands in parentheses and may hold anything (proc_pid_stat(5)).
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      table.set(pid, { parent: Number(parent), isZombie: state === "Z" || state === "X" });
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return table;
}

async function readPs(): Promise<Map<number, Entry>> {
  const { stdout } = await new Deno.Command("ps", { args: ["-axo", "pid=,ppid=,stat="] }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return new Map(lines.map((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/);
    return [Number(pid), { parent: Number(parent), isZombie: state?.startsWith("Z") ?? false }];
  }));
}
