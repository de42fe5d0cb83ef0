import { isObject, type JsonObject } from "../base/json.ts";
import type { ServerConfig, Share } from "../base/server_config.ts";
import type { Caller, Root } from "../call/call.ts";

/** Programs known to keep state that belongs to one user of them: two windows in one browser would fight over it. */
const STATEFUL =
  /playwright|puppeteer|browser|chrome|selenium|stagehand|\bssh\b|shell|terminal|\btmux\b|desktop-commander|debug|\bdap\b|repl\b|jupyter|notebook|\blsp\b|language-server|serena|gdb|lldb|computer-use/i;

/** What one session brings to the question which process it may share. */
export interface Tenant {
  caller: Caller;
  /** The session's directory: its first root or its working directory, absolute. */
  workspace: string | undefined;
  roots: readonly Root[] | undefined;
}

/** How far a server is shared for a tenant, once `auto` is decided (design.md section 7). */
export type Scope = Exclude<Share, "auto">;

/** What `auto` means for `config` and this tenant. When in doubt, it isolates. */
export function scopeOf(config: ServerConfig, { caller }: Tenant): Scope {
  if (config.share !== "auto") return config.share;
  if (config.kind !== "stdio") {
    // What a URL server asks cannot be told apart on a shared connection, and a connection of one's own costs nothing.
    const offered = offeredBy(caller);
    return mayBeAsked(offered) || "roots" in offered ? "session" : "machine";
  }
  return STATEFUL.test([config.command, ...config.args].join(" ")) ? "session" : "project";
}

/**
 * The client capabilities an instance is told of: all that change what a server does, in a fixed order. One that is
 * declared free of any directory hears nothing of roots, which are directories.
 */
export function toldCapabilities(config: ServerConfig, tenant: Tenant): JsonObject {
  const placeless = config.kind === "stdio" && !isPlaced(config, scopeOf(config, tenant));
  return offeredBy(tenant.caller, placeless ? ["roots"] : []);
}

/** Whether a server that is told of `capabilities` may ask its client something that only one window can answer. */
export function mayBeAsked(capabilities: JsonObject): boolean {
  return "sampling" in capabilities || "elicitation" in capabilities;
}

/** Whether it matters to the server in which directory its sessions are. */
export function isPlaced(config: ServerConfig, scope: Scope): boolean {
  return scope === "session" || scope === "project" && !config.cwdFree;
}

function offeredBy(caller: Caller, without: readonly string[] = []): JsonObject {
  const offered: JsonObject = {};
  for (const name of ["roots", "sampling", "elicitation", "tasks", "experimental", "extensions"]) {
    const capability = caller.capabilities[name];
    if (isObject(capability) && !without.includes(name)) offered[name] = capability;
  }
  return offered;
}

/**
 * Names the process a tenant may share: two tenants with the same key get the same process. `config` is bound to the
 * session by now, so its command, arguments, environment, URL and headers are those the process really gets.
 */
export function shareKey(config: ServerConfig, tenant: Tenant): string {
  const scope = scopeOf(config, tenant);
  const { caller, roots } = tenant;
  const what = config.kind === "stdio"
    ? [
      config.command,
      config.args,
      sorted(config.env),
      scope === "machine" || config.cwdFree ? null : config.cwd,
    ]
    : [config.kind, config.url, sorted(config.headers)];
  const where = scope === "project" && isPlaced(config, scope)
    ? [tenant.workspace ?? null, roots ?? null]
    : [];
  const who = scope === "session" ? [caller.id] : [];
  return JSON.stringify([what, where, who, toldCapabilities(config, tenant)]);
}

function sorted(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
