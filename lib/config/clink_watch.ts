import { isDeepStrictEqual } from "node:util";
import {
  type AgentEntry,
  type AgentLimits,
  type ClinkFile,
  DEFAULT_LIMITS,
  readClink,
  type RoleEntry,
} from "./clink_file.ts";
import type { ConfigFault } from "./config_fault.ts";
import { type ConfigWatch, watchConfig } from "./config_watch.ts";
import { goneFault } from "./entry_file.ts";
import type { FileWatchOptions } from "./file_watch.ts";

/** The content of `clink.json` in force, and the faults in the file. */
export interface ClinkInForce {
  agents: readonly AgentEntry[];
  roles: readonly RoleEntry[];
  limits: AgentLimits;
  /** Names of the agents that have a fault in the file and never had a good entry: they are not the preset's. */
  unusable: readonly string[];
  faults: readonly ConfigFault[];
}

/** What is in force without a file. */
export const NO_CLINK: ClinkInForce = {
  agents: [],
  roles: [],
  limits: DEFAULT_LIMITS,
  unusable: [],
  faults: [],
};

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
  const said = { ...before, faults: [] };
  if (file.isBlank && !isDeepStrictEqual(said, NO_CLINK)) return { ...before, faults: [goneFault(path)] };
  return file.readable ? clinkAfter(before, file) : { ...before, faults: file.faults };
}

/** What is in force once `file` was read, after `before`. */
export function clinkAfter(
  before: ClinkInForce,
  { agents, roles, limits, faulty, faults }: ClinkFile,
): ClinkInForce {
  const keptAgents = before.agents.filter(({ name }) => faulty.agents.includes(name));
  const keptRoles = before.roles.filter(({ name }) => faulty.roles.includes(name));
  const keptLimits = Object.entries(before.limits).filter(([name]) => faulty.limits.includes(name));
  return {
    agents: [...agents, ...keptAgents],
    roles: [...roles, ...keptRoles],
    limits: { ...DEFAULT_LIMITS, ...limits, ...Object.fromEntries(keptLimits) },
    unusable: faulty.agents.filter((name) => !keptAgents.some((kept) => kept.name === name)),
    faults,
  };
}
