import { type AgentPreset, PRESETS } from "../lib/agent/presets.ts";
import { AGENT_KEYS, CLINK_KEYS } from "../lib/config/clink_keys.ts";
import { code } from "./markdown.ts";

/** Rows of agent, how it is started, with which permissions, and what it signs in with. */
export function agentRows(): string[][] {
  return Object.entries<AgentPreset>(PRESETS).map(([name, { command, args, restricted, passes }]) => [
    code(name),
    code([command, ...args].join(" ")),
    [
      ...(restricted.args.length > 0 ? [code(restricted.args.join(" "))] : []),
      ...Object.entries(restricted.env ?? {}).map(([name, value]) => code(`${name}=${value}`)),
    ].join(", "),
    passes.map(code).join(", "),
  ]);
}

/** Rows of key, where it stands, what is allowed, and what it is for. */
export function clinkKeyRows(): string[][] {
  const rows = (where: string, keys: Record<string, { allowed: string; help: string }>) =>
    Object.entries(keys).map(([name, { allowed, help }]) => [
      code(name),
      where,
      allowed.replace(/^must be /, ""),
      help,
    ]);
  return [...rows("the file", CLINK_KEYS), ...rows("an agent", AGENT_KEYS)];
}
