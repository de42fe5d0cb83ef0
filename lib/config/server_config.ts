import { ExaiError } from "../base/errors.ts";
import { quoteName, trimEndOf } from "../base/text.ts";
import { fill, variablesIn } from "../base/template.ts";
import type { Era } from "../wire/client_claim.ts";
import type { SearchMode } from "./settings.ts";
import { isForShell, isPlainInShell } from "./shell_line.ts";
import {
  baseNameOf,
  folderOf,
  holdsRelativePath,
  isAbsolutePath,
  type SessionFolders,
  workspaceVariable,
} from "./workspace_variables.ts";

/** What makes two sessions share one process of a mounted server: docs/servers.md, "Who shares a process". */
export type Share = "auto" | "machine" | "project" | "window" | "session";

/** What every mounted server has, however it is reached. */
export interface CommonServerConfig {
  /** Its name in the catalog and in `/mcp/NAME`: `[A-Za-z0-9_-]`, at most 64 characters. */
  name: string;
  /** Its name as the configuration file has it. */
  title: string;
  share: Share;
  /** Whether no second process may be started beside a shared one; undefined: as the table of known servers has it. */
  exclusive?: boolean;
  /** Whether one process may serve sessions in different working directories. */
  cwdFree: boolean;
  tools: ToolChoice;
  /** Calls this server may run at once; undefined: no own limit. */
  maxInflight?: number;
  /** How long one call may take, in milliseconds; undefined: the daemon's own limit. */
  callTimeoutMs?: number;
  /** Silence after which a call is answered with a handle and keeps running, in milliseconds; undefined: never. */
  detachAfterMs?: number;
  /** Whether MCP is spoken with it after an `initialize` or without; undefined: that is found out. */
  era?: Era;
  /** How long it may take from spawn to the answer to `initialize`, in milliseconds. */
  startTimeoutMs: number;
  /** Memory its process and all it starts may hold before it is replaced, in bytes; undefined: the daemon's own limit. */
  memoryLimitBytes?: number;
  /** How long it runs without an attached session, in milliseconds; 0: as long as the daemon. */
  idleStopMs: number;
}

/** Which tools some clients see: an entry of `clients` in `mcp.json`. */
export interface ClientToolsConfig {
  /** The client's own name; `*` stands for any characters. */
  client: string;
  /** The tools it sees, by their name in the merged catalog or as `server/tool`; undefined: all. */
  include: readonly string[] | undefined;
  /** Of those, the ones it does not. */
  exclude: readonly string[];
  /** Undefined: as the daemon is set. */
  search: SearchMode | undefined;
}

/** Which of a server's tools are offered, and under which names. */
export interface ToolChoice {
  /** Only these; `*` stands for any characters. Undefined: all. */
  include?: readonly string[];
  /** Not these; `*` stands for any characters. */
  exclude: readonly string[];
  /** New name by the server's own name. */
  rename: Readonly<Record<string, string>>;
  /** Put before the name of each tool that is not renamed. */
  prefix: string;
  /** Whether the name of each tool and prompt that is not renamed has `server__` before it, also where it is unique. */
  isPrefixed?: boolean;
}

/** A server that runs as a child process and speaks on its stdin and stdout. */
export interface StdioServerConfig extends CommonServerConfig {
  kind: "stdio";
  command: string;
  args: readonly string[];
  /** Added to the basic environment; null takes a variable out of it. */
  env: Readonly<Record<string, string | null>>;
  /** A file of variables in a directory of the session, which go before `env`; read for each session. */
  envFile?: string;
  /** Undefined: the session's directory; a relative one is relative to it. */
  cwd?: string;
}

/** What an entry says of signing in (MCP basic/authorization). */
export interface OAuthConfig {
  /** Of a client that was registered beforehand, with its secret where it has one. */
  clientId?: string;
  clientSecret?: string;
  /** Where the user has published a client id metadata document; undefined: as the daemon is set. */
  clientMetadataUrl?: string;
  /** The issuer that the registration and the document are for; undefined: the first that the server names. */
  issuer?: string;
  /** Asked for in place of what the server names. */
  scopes?: readonly string[];
  /** `client_credentials`: as a machine, without a user. */
  grant: "authorization_code" | "client_credentials";
  /** Signs for the client in place of a secret (RFC 7523): a private key as PEM, and its algorithm. */
  privateKey?: { pem: string; algorithm: string };
  /** The port of the redirect address, for a registration that names one; undefined: any free one. */
  callbackPort?: number;
  /**
   * The redirect address of the registration where that is another than `http://127.0.0.1:PORT/callback`, such as
   * `http://localhost/oauth/callback`: on loopback, without its port, which is {@linkcode callbackPort}.
   */
  redirectUrl?: string;
}

/** An account of a server, and the sessions it is for; without directories and clients: all. */
export interface AccountRule {
  name: string;
  /** Absolute; in one of them, or below it. */
  directories?: readonly string[];
  /** Names that clients give themselves; `*` stands for any characters. */
  clients?: readonly string[];
}

/** A server behind a URL: Streamable HTTP, or the older HTTP with SSE. */
export interface UrlServerConfig extends CommonServerConfig {
  kind: "http" | "sse";
  url: string;
  headers: Readonly<Record<string, string>>;
  /**
   * How it is signed in to, where the entry says; any server that asks for it is signed in to by what it publishes. False:
   * never.
   */
  oauth?: OAuthConfig | false;
  /** The account that its requests are in the name of; undefined: `default`. Chosen when it is bound to a session. */
  account?: string;
  /** The account of a session is the first of these that is for it, else {@linkcode account}. */
  accounts?: readonly AccountRule[];
  /** A program that prints headers for its requests, as a JSON object: the program and its arguments. */
  headersHelper?: readonly string[];
  /** Whether to try SSE when Streamable HTTP is refused (MCP 2025-11-25, transports, backwards compatibility). */
  fallBackToSse: boolean;
}

/**
 * A mounted server as the configuration has it, with every variable filled in but those of the session
 * (`workspace_variables.ts`): {@linkcode bindToSession} does that.
 */
export type ServerConfig = StdioServerConfig | UrlServerConfig;

/** Whether `config` names the session's directory, so that sessions elsewhere need their own process. */
export function usesWorkspace(config: ServerConfig): boolean {
  return textsOf(config).some((text) => variablesIn(text).length > 0);
}

/** Something in an entry of `mcp.json` that means a directory of the session. */
interface WorkspaceUse {
  /** As an error names it: `${workspaceFolder}`, `the argument "./data"`. */
  what: string;
  /** The root it names; undefined: the workspace. */
  folder: string | undefined;
}

/**
 * What in `config` means a directory of the session and has no value without one.
 *
 * @param isBound whether its process serves the sessions of one directory only, so that relative paths mean that one
 */
export function workspaceUses(config: ServerConfig, isBound: boolean): WorkspaceUse[] {
  const variables = new Set(textsOf(config).flatMap(variablesIn));
  const uses: WorkspaceUse[] = [...variables].flatMap((name) => {
    const variable = workspaceVariable(name);
    if (variable?.fallback !== undefined && isAbsolutePath(variable.fallback)) return [];
    return { what: `\${${name}}`, folder: variable?.folder };
  });
  if (config.kind !== "stdio") return uses;
  const relative = (what: string) => void uses.push({ what, folder: undefined });
  const { cwd = "", command, args } = config;
  if (isAbsolutePath(cwd)) return uses;
  if (cwd !== "" && !cwd.startsWith("${")) relative(`the relative cwd ${quoteName(cwd)}`);
  if (!isBound) return uses;
  if (/[/\\]/.test(command) && !isAbsolutePath(command) && !command.startsWith("${")) {
    relative(`the relative command ${quoteName(command)}`);
  }
  const argument = args.find(holdsRelativePath);
  if (argument !== undefined) relative(`the relative argument ${quoteName(argument)}`);
  return uses;
}

const RUN_BY_SHELL =
  "a shell would run parts of this directory's name; name a program and its arguments without a " +
  'shell, or set it in "env" and write "$NAME" in the line';

/**
 * `config` as it is for a session in `workspace`: no variables left, and `cwd` absolute where it can be.
 *
 * @param dir the session's directory, absolute, where its processes run; undefined when it named none
 * @param variables what variables stand for, where that differs from `dir`
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when a variable names a directory that the session has not got, or
 * that a shell would run parts of
 */
export function bindToSession<T extends ServerConfig>(
  config: T,
  dir: string | undefined,
  variables: SessionFolders = { workspace: dir, folders: [] },
): T {
  const refuse = (name: string, why: string) => {
    const text = `server "${config.title}" uses \${${name}} in mcp.json, and ${why}`;
    return new ExaiError("UPSTREAM_UNAVAILABLE", text, {
      details: { server: config.title, fault: "caller" },
    });
  };
  const put = (text: string, isShell = false) =>
    fill(text, (name) => {
      const variable = workspaceVariable(name);
      const folder = variable && (folderOf(variable, variables) ?? variable.fallback);
      if (folder === undefined) throw refuse(name, "this client has told no such directory");
      if (isShell && !isPlainInShell(folder)) throw refuse(name, RUN_BY_SHELL);
      return variable?.isBaseName ? baseNameOf(folder) : folder;
    });
  const putWords = ([program = "", ...args]: readonly string[]) => {
    const isShell = isForShell(program, args);
    return [put(program), ...args.map((arg) => put(arg, isShell))];
  };
  if (config.kind !== "stdio") {
    const { headersHelper } = config;
    const helper = headersHelper === undefined ? {} : { headersHelper: putWords(headersHelper) };
    const headers = mapValues(config.headers, (value) => put(value));
    return { ...config, url: put(config.url), headers, ...helper };
  }
  const cwd = config.cwd === undefined ? dir : within(dir, put(config.cwd));
  const env = mapValues(config.env, (value) => value === null ? null : put(value));
  const envFile = config.envFile === undefined ? {} : { envFile: put(config.envFile) };
  const [command = "", ...args] = putWords([config.command, ...config.args]);
  return { ...config, command, args, env, cwd, ...envFile };
}

function textsOf(config: ServerConfig): string[] {
  if (config.kind !== "stdio") {
    return [config.url, ...Object.values(config.headers), ...config.headersHelper ?? []];
  }
  const env = Object.values(config.env).filter((value) => value !== null);
  return [config.command, ...config.args, ...env, config.cwd ?? "", config.envFile ?? ""];
}

function within(folder: string | undefined, path: string): string {
  return isAbsolutePath(path) || folder === undefined ? path : `${trimEndOf(folder, "/\\")}/${path}`;
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
