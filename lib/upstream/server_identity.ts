import { createHash } from "node:crypto";
import type { ServerConfig } from "../config/server_config.ts";

/**
 * A digest of what `config` starts or connects to, under which lists, evidence and names of a server are kept: the same
 * for an entry that is renamed, shared otherwise, or has its variables in another order.
 */
export function serverIdentity(config: ServerConfig): string {
  const parts = config.kind === "stdio"
    ? [
      config.command,
      config.args,
      sortedEntries(config.env),
      config.cwd ?? null,
      // Left out where there is none: what was kept before there were any stays good.
      ...config.envFile === undefined ? [] : [config.envFile],
    ]
    : [config.url, sortedEntries(config.headers)];
  return digestOf(JSON.stringify([config.kind, ...parts]));
}

/** A digest rather than the text: an environment may hold secrets, and paths are long. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The entries of `record`, in an order that does not depend on how it was written. */
export function sortedEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
