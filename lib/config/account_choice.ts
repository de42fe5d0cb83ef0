import { resolve } from "@std/path";
import { isWithin } from "../base/directories.ts";
import { anyOf } from "../base/patterns.ts";
import { quoteForShell } from "../base/text.ts";
import type { AccountRule, ServerConfig, UrlServerConfig } from "./server_config.ts";

/** The account of a server whose entry names none. */
export const DEFAULT_ACCOUNT = "default";

/** What decides which account a window has. */
export interface AccountWindow {
  /** The name its client gives itself. */
  client?: string;
  /** Its directory as it names it, and its real path; empty for a window without one. */
  directories: readonly string[];
}

/**
 * The account that the requests of a window are in the name of: the first in `accounts` that is for it, else `account`,
 * else {@linkcode DEFAULT_ACCOUNT}.
 *
 * @param realPath the real path of a directory of the configuration, which may be a link
 */
export async function accountOf(
  config: UrlServerConfig,
  window: AccountWindow,
  realPath: (dir: string) => Promise<string>,
): Promise<string> {
  for (const rule of config.accounts ?? []) {
    if (isForClient(rule, window) && await isForDirectory(rule, window, realPath)) return rule.name;
  }
  return config.account ?? DEFAULT_ACCOUNT;
}

function isForClient({ clients }: AccountRule, { client = "" }: AccountWindow): boolean {
  return clients === undefined || anyOf(clients, { ignoreCase: true }).test(client);
}

async function isForDirectory(
  { directories }: AccountRule,
  window: AccountWindow,
  realPath: (dir: string) => Promise<string>,
): Promise<boolean> {
  if (directories === undefined) return true;
  if (window.directories.length === 0) return false;
  const named = directories.map((dir) => resolve(dir));
  const real = await Promise.all(named.map(realPath));
  return window.directories.some((path) => [...named, ...real].some((dir) => isWithin(resolve(path), dir)));
}

/** Whether a window has another account in another directory. */
export function choosesByDirectory(config: ServerConfig): boolean {
  return config.kind !== "stdio" &&
    (config.accounts ?? []).some(({ directories }) => directories !== undefined);
}

/** The accounts that windows may have at a server, in the order of the entry; none for a command. */
export function accountNames(config: ServerConfig): string[] {
  if (config.kind === "stdio") return [];
  const rules = config.accounts ?? [];
  const all = rules.find(({ directories, clients }) => directories === undefined && clients === undefined);
  const rest = all === undefined ? [config.account ?? DEFAULT_ACCOUNT] : [];
  return [...new Set([...rules.map(({ name }) => name), ...rest])];
}

/** The account of a window of which nothing is known; undefined: which one it has depends on the window. */
export function onlyAccount(config: ServerConfig): string | undefined {
  const names = accountNames(config);
  return names.length === 1 ? names[0] : undefined;
}

/** Why a server is not signed in to for its windows, as a phrase; undefined: it is, where it wants that. */
export function whyNoLogin(config: ServerConfig): string | undefined {
  if (config.kind === "stdio") return "is a program, and signs in by itself";
  if (config.oauth === false) return 'has "oauth": false in mcp.json';
  // The user's own token is what the server is to get.
  const hasToken = Object.keys(config.headers).some((name) => name.toLowerCase() === "authorization");
  return hasToken && config.oauth === undefined
    ? "has an Authorization header of its own in mcp.json, which it is sent in place of a login"
    : undefined;
}

/** Whether a server is signed in to for its windows, where it wants that. */
export function mayBeSignedInTo(config: ServerConfig): config is UrlServerConfig {
  return whyNoLogin(config) === undefined;
}

/** The command that signs in: in a terminal, on this machine or by SSH. */
export function loginCommand(of: NamedAccount): string {
  return `exai-daemon auth login ${words(of)}`;
}

/** The command that signs out, likewise. */
export function logoutCommand(of: NamedAccount): string {
  return `exai-daemon auth logout ${words(of)}`;
}

/** The name of the tool by which a window signs in to a server. */
export function loginToolName(server: string): string {
  return `${server}__login`;
}

/** An account as people name it. */
export interface NamedAccount {
  server: string;
  account?: string | undefined;
}

function words({ server, account = DEFAULT_ACCOUNT }: NamedAccount): string {
  return word(server) + (account === DEFAULT_ACCOUNT ? "" : ` --account ${word(account)}`);
}

function word(text: string): string {
  return /^[\w.@-]+$/.test(text) ? text : quoteForShell(text);
}
