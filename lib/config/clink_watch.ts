import {
  type AgentEntry,
  type AgentLimits,
  DEFAULT_LIMITS,
  readClink,
  type RoleEntry,
} from "./clink_file.ts";
import type { ConfigFault } from "./config_fault.ts";
import { type ConfigWatch, watchConfig } from "./config_watch.ts";
import type { FileWatchOptions } from "./file_watch.ts";

/** The content of `clink.json` in force, and the faults in the file. */
export interface ClinkInForce {
  agents: readonly AgentEntry[];
  roles: readonly RoleEntry[];
  limits: AgentLimits;
  faults: readonly ConfigFault[];
}

/** What is in force without a file. */
export const NO_CLINK: ClinkInForce = { agents: [], roles: [], limits: DEFAULT_LIMITS, faults: [] };

export type ClinkWatch = ConfigWatch<ClinkInForce>;

interface ClinkWatchOptions extends FileWatchOptions {
  /** Values of the variables in the file. */
  env: Record<string, string | undefined>;
}

/**
 * Reads the file at `path` and again whenever it changes; `onChange` is called after each later reading that differs from
 * the one before. A faulty entry keeps its last good content, and so does the whole file when it cannot be read or is
 * gone.
 */
export function watchClink(
  path: string,
  onChange: (inForce: ClinkInForce) => void,
  options: ClinkWatchOptions,
): Promise<ClinkWatch> {
  return watchConfig<ClinkInForce>(path, {
    ...options,
    initial: NO_CLINK,
    read: (path, before) => readAfter(path, before, options.env),
    onChange,
  });
}

async function readAfter(
  path: string,
  before: ClinkInForce,
  env: ClinkWatchOptions["env"],
): Promise<ClinkInForce> {
  const file = await readClink(path, env);
  const { faults, faulty, readable } = file;
  if (file.isBlank && before.agents.length + before.roles.length > 0) {
    // A file that is gone or empty is most likely being replaced.
    const message = "is gone or empty; what it said stays; to take that back, write {} into it";
    return { ...before, faults: [{ path, message }] };
  }
  if (!readable) return { ...before, faults };
  const stays = (good: readonly { name: string }[]) => ({ name }: { name: string }) =>
    faulty.includes(name) && !good.some((one) => one.name === name);
  return {
    agents: [...file.agents, ...before.agents.filter(stays(file.agents))],
    roles: [...file.roles, ...before.roles.filter(stays(file.roles))],
    limits: file.limits,
    faults,
  };
}
