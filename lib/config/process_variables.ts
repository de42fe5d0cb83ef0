import { parseVia, VIA_VARIABLE } from "../wire/via.ts";

/** The variables that send programs through a proxy, or past it. */
const PROXY_VARIABLE = /^(?:https?|all|no)_proxy$/i;

/** Whether the environment names a proxy. */
export function namesProxies(): boolean {
  return Object.keys(Deno.env.toObject()).some((name) => PROXY_VARIABLE.test(name));
}

/**
 * Calls `make` with the proxy variables removed from the environment. Deno reads them when an HTTP client is made and has
 * no other way to make one that ignores them; it even treats a Unix socket as a proxy, which `NO_PROXY` then forbids. The
 * variables are restored before anything else runs, so that child processes inherit them.
 */
export function withoutProxies<T>(make: () => T): T {
  const hidden = Object.entries(Deno.env.toObject()).filter(([name]) => PROXY_VARIABLE.test(name));
  try {
    for (const [name] of hidden) Deno.env.delete(name);
    return make();
  } finally {
    for (const [name, value] of hidden) Deno.env.set(name, value);
  }
}

/** Calls `make` with a variable set, which has its old value before anything else runs. */
export function withVariable<T>(name: string, value: string, make: () => T): T {
  const before = Deno.env.get(name);
  try {
    Deno.env.set(name, value);
    return make();
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
  }
}

/** The process that started this one, and when it was started where the system tells that at little cost. */
export function parentProcess(): { pid: number; started?: string } | undefined {
  const pid = Deno.ppid;
  // Whoever started this process has ended.
  if (pid <= 1) return undefined;
  return { pid, started: Deno.build.os === "linux" ? startOf(pid) : undefined };
}

/** When a process was started, in ticks since the machine was (proc_pid_stat(5), field 22). */
function startOf(pid: number): string | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name in parentheses may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** The daemons this process descends from, by `EXAI_VIA`. */
export function inheritedVia(): string[] {
  return parseVia(Deno.env.get(VIA_VARIABLE));
}

/** The environment of this process: what variables in the configuration mean in a command. */
export function environment(): Record<string, string> {
  return Deno.env.toObject();
}
