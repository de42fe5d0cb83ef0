import type { JsonObject } from "../../lib/base/json.ts";
import { treeOf } from "../lib/process_table.ts";

const MIB = 1024 * 1024;

/** What the daemon holds at one moment. */
export interface Sample {
  /** Since the beginning, in hours. */
  hours: number;
  rssMib: number;
  heapMib: number;
  fds: number;
  threads: number;
  sessions: number;
  /** Processes below the daemon. */
  children: number;
}

/** Looks at the daemon: the system's account of its process, and its own health. */
export async function takeSample(pid: number, url: string, hours: number): Promise<Sample> {
  const [status, tree, answer] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/status`),
    treeOf([pid]),
    fetch(`${url}/health`).then((response) => response.json()),
  ]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  let fds = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) fds++;
  return {
    hours,
    rssMib: field("VmRSS") / 1024,
    heapMib: (answer.memory as JsonObject & { heap_used_bytes: number }).heap_used_bytes / MIB,
    fds,
    threads: field("Threads"),
    sessions: answer.sessions,
    children: tree.length - 1,
  };
}
