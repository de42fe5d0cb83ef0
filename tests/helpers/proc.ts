/** What Linux tells of processes in `/proc`. */

/** Files, sockets and pipes the process `pid` has open. */
export function openFilesOf(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Memory of the process `pid` that is in RAM, in bytes. */
export async function residentBytesOf(pid: number): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))!;
  return Number(kib) * 1024;
}

/** The children of the process `pid`, and whether each is a zombie: ended, and not waited for. */
export async function childrenOf(pid: number): Promise<{ pid: number; isZombie: boolean }[]> {
  const children: { pid: number; isZombie: boolean }[] = [];
  for (const id of processIds()) {
    const stat = await Deno.readTextFile(`/proc/${id}/stat`).catch(() => "");
    // After the name, which may hold anything, in brackets.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(parent) === pid) children.push({ pid: id, isZombie: state === "Z" });
  }
  return children;
}

/** The processes that have `text` in their command line or their environment. */
export async function processesWith(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const id of processIds()) {
    const files = ["cmdline", "environ"].map((file) =>
      Deno.readTextFile(`/proc/${id}/${file}`).catch(() => "")
    );
    if ((await Promise.all(files)).some((content) => content.includes(text))) found.push(id);
  }
  return found;
}

function processIds(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter(Number.isInteger);
}
