import { addressBytes, type SocketEndpoint } from "../base/ip_address.ts";
import { findInProc } from "./peer_user/linux_proc.ts";

/** A program that listens at an address, as far as the system tells. */
export interface ListenerProcess {
  pid?: number;
  /** The name of its executable. */
  name?: string;
}

/** Processes and descriptors looked at, at most: the answer is shown to people and not worth more. */
const MAX_PROCESSES = 10_000;
const MAX_DESCRIPTORS = 1000;

/** The process that listens at an address of this machine; empty where the system does not tell. Never throws. */
export async function listenerProcess(at: SocketEndpoint): Promise<ListenerProcess> {
  try {
    switch (Deno.build.os) {
      case "linux":
        return await onLinux(at);
      case "windows":
        return (await import("./peer_user/windows.ts")).windowsListener(at);
      case "darwin":
        return await onMac(at);
      default:
        return {};
    }
  } catch {
    return {};
  }
}

/** Whether a process listens at an address of this machine, or at the unspecified one; only Windows tells. */
export async function isListening(at: SocketEndpoint): Promise<boolean> {
  return (await import("./peer_user/windows.ts")).isListening(at);
}

async function onLinux({ hostname, port }: SocketEndpoint): Promise<ListenerProcess> {
  const address = addressBytes(hostname);
  const inode = address && findInProc({ local: { address, port } })?.inode;
  if (!inode) return {};
  let processes = 0;
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid) || processes++ > MAX_PROCESSES || !await holds(pid, `socket:[${inode}]`)) continue;
    const name = await Deno.readTextFile(`/proc/${pid}/comm`).catch(() => "");
    return { pid: Number(pid), name: name.trim() || undefined };
  }
  return {};
}

/** Whether one of the process's descriptors is `socket`; not known of other users' processes. */
async function holds(pid: string, socket: string): Promise<boolean> {
  let descriptors = 0;
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
      if (descriptors++ > MAX_DESCRIPTORS) return false;
      if (await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "") === socket) return true;
    }
  } catch {
    // It has ended, or belongs to another user.
  }
  return false;
}

/** Once in a start that meets another program, so that the time of `lsof` does not matter. */
async function onMac({ port }: SocketEndpoint): Promise<ListenerProcess> {
  const { stdout } = await new Deno.Command("/usr/sbin/lsof", {
    args: ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"],
    stdin: "null",
    stderr: "null",
    signal: AbortSignal.timeout(1000),
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  const field = (letter: string) => lines.find((line) => line.startsWith(letter))?.slice(1);
  const pid = field("p");
  return { pid: pid === undefined ? undefined : Number(pid), name: field("c") };
}
