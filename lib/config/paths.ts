import { dirname } from "@std/path/dirname";
import { fromFileUrl } from "@std/path/from-file-url";
import { join } from "@std/path/join";
import { fnv1a } from "../base/text.ts";
import type { Settings } from "./settings.ts";

/** The files of one user, private to that user. All that EXAI writes are in the state directory. */
export interface StatePaths {
  home: string;
  /** Locked by the one process that may open the databases, while it runs: the daemon, or a command. */
  lock: string;
  token: string;
  /** What seals the states that clients of the modern era are given with a question. */
  stateKey: string;
  health: string;
  metrics: string;
  database: string;
  /** Calls the next daemon must know of if this one crashes. */
  journal: string;
  /** Every call of the last days, for `exai-daemon calls`. */
  calls: string;
  /** The last known lists of mounted servers. */
  lists: string;
  /** What was observed of mounted servers, by which they are shared. */
  sharing: string;
  /** The names given to tools and prompts in the merged catalog. */
  names: string;
  /** What models were used for each day, for the daily budgets. */
  spending: string;
  /** Calls that went on as tasks, and what became of them. */
  tasks: string;
  /** Which answers of clients were used, so that the next daemon does not use them again. */
  usedStates: string;
  /** Accounts and secrets, encrypted. */
  vault: string;
  /** The key of the vault, where no keychain of the system has it. */
  vaultKey: string;
  /** Locked while a process changes the vault. */
  vaultLock: string;
  /** Files that are locked while one account is changed, so that two processes do not renew one token. */
  accountLocks: string;
  /** Reports of uncaught errors. */
  crashes: string;
  logs: string;
  /** Files as they were before a command changed them, in a dated directory for each run. */
  backups: string;
  /** Private git directories of tools that read a repository, each removed after its run. */
  git: string;
  /** Where mounted servers run that are started only to read their lists; empty. */
  probes: string;
  /** Locked while a shim starts the daemon, so that ten shims start one. */
  startLock: string;
  /** Locked by a shim that has just started a newer daemon, so that ten shims start one. */
  successorLock: string;
  /** The program of the daemon that ran last. */
  program: string;
  /** How the daemon was installed as a service, while it is. */
  service: string;
  /** Locked while a command changes `mcp.json`, so that two of them do not undo each other. */
  configLock: string;
  /** Why the daemon that a shim started last could not start. */
  startFailure: string;
  /** The address of the running daemon, for shims when the system has chosen the port. */
  endpoint: string;
  /** The Unix socket the daemon listens on, where its path is short enough for one. */
  socket: string;
  /** The certificates `exai-daemon certs` makes. */
  certs: string;
  /** Locked by the daemon that owns the socket, while it runs. */
  socketLock: string;
  /**
   * Settings for every window: `exai.json`, which the user writes. Its place follows from the state directory alone, so
   * that a daemon and all its windows read the same one.
   */
  settings: string;
  /** The mounted servers: `mcp.json`, which the user writes. */
  config: string;
  /** Custom providers and what models can do: `models.json`, which the user writes. */
  models: string;
  /** The agents of `clink`: `clink.json`, which the user writes. */
  clink: string;
  /** The directory of user tools. */
  tools: string;
}

/** The paths for `settings` on this system. */
export function statePaths(
  settings:
    & Pick<Settings, "home">
    & Partial<Pick<Settings, "config" | "modelsFile" | "clinkFile" | "toolsDir">>,
): StatePaths {
  const home = settings.home || defaultHome();
  const configDir = settings.home || defaultConfigDir();
  const config = settings.config || join(configDir, "mcp.json");
  // Joined once: a window asks for these paths several times before it connects, and needs few of them.
  const inHome = join(home, "x").slice(0, -1);
  return {
    home,
    settings: join(configDir, "exai.json"),
    lock: inHome + "daemon.lock",
    token: inHome + "token",
    stateKey: inHome + "state_key",
    health: inHome + "health.json",
    metrics: inHome + "metrics.jsonl",
    database: inHome + "exai.db",
    journal: inHome + "journal.db",
    calls: inHome + "calls.db",
    lists: inHome + "lists.db",
    sharing: inHome + "sharing.db",
    names: inHome + "names.db",
    spending: inHome + "spending.db",
    tasks: inHome + "tasks.db",
    usedStates: inHome + "used_states.db",
    vault: inHome + "vault.jwe",
    vaultKey: inHome + "vault.key",
    vaultLock: inHome + "vault.lock",
    accountLocks: inHome + "account_locks",
    crashes: inHome + "crashes",
    logs: inHome + "logs",
    backups: inHome + "backups",
    git: inHome + "git",
    probes: inHome + "probes",
    startLock: inHome + "start.lock",
    configLock: inHome + "config.lock",
    successorLock: inHome + "successor.lock",
    program: inHome + "program.json",
    service: inHome + "service.json",
    startFailure: inHome + "start_error",
    endpoint: inHome + "daemon.json",
    socket: inHome + "daemon.sock",
    certs: inHome + "certs",
    socketLock: inHome + "daemon.sock.lock",
    config,
    models: settings.modelsFile || join(dirname(config), "models.json"),
    clink: settings.clinkFile || join(dirname(config), "clink.json"),
    tools: settings.toolsDir || join(dirname(config), "tools"),
  };
}

const env = (name: string) => Deno.env.get(name) || undefined;

/** The home directory of the user. */
export function userHome(): string {
  return env("HOME") ?? env("USERPROFILE") ?? ".";
}

function defaultConfigDir(): string {
  switch (Deno.build.os) {
    case "windows":
      return join(env("APPDATA") ?? join(userHome(), "AppData", "Roaming"), "exai");
    case "darwin":
      return join(userHome(), "Library", "Application Support", "exai");
    default:
      return join(env("XDG_CONFIG_HOME") ?? join(userHome(), ".config"), "exai");
  }
}

function defaultHome(): string {
  const user = userHome();
  switch (Deno.build.os) {
    case "windows":
      return join(env("LOCALAPPDATA") ?? join(user, "AppData", "Local"), "exai");
    case "darwin":
      return join(user, "Library", "Application Support", "exai");
    default:
      return join(env("XDG_STATE_HOME") ?? join(user, ".local", "state"), "exai");
  }
}

/** Where the system's service manager looks for the services of one user; undefined where they are no files. */
export function serviceDir(): string | undefined {
  switch (Deno.build.os) {
    case "windows":
      return undefined;
    case "darwin":
      return join(userHome(), "Library", "LaunchAgents");
    default:
      return join(env("XDG_CONFIG_HOME") ?? join(userHome(), ".config"), "systemd", "user");
  }
}

/** A program of Windows by its full path: a search would begin in the working directory. */
export function windowsProgram(name: string): string {
  return `${env("SystemRoot") ?? "C:\\Windows"}\\System32\\${name}`;
}

/** The account of the user of Windows, as `DOMAIN\name`. */
export function windowsAccount(): string {
  return [env("USERDOMAIN"), env("USERNAME")].filter((part) => part !== undefined).join("\\");
}

/** The user's private directory for sockets; undefined where the system has none. */
export function runtimeDir(): string | undefined {
  return env("XDG_RUNTIME_DIR") ?? (Deno.build.os === "darwin" ? env("TMPDIR") : undefined);
}

/** The name of the socket of the daemon of `home` in {@linkcode runtimeDir}. */
export function socketName(home: string): string {
  return `exai-${fnv1a(home)}.sock`;
}

/** Directories in memory, the preferred one first; empty where the system has none. */
export function volatileBases(): string[] {
  const memory = Deno.build.os === "linux" ? "/dev/shm" : undefined;
  return [env("XDG_RUNTIME_DIR"), memory].filter((base) => base !== undefined);
}

/** The directory in memory of the daemon of `home`; undefined where the system has none. */
export function volatileDir(home: string): string | undefined {
  const [base] = volatileBases();
  return base && join(base, volatileName(home));
}

/** The name of the directory in memory of the daemon of `home`. */
export function volatileName(home: string): string {
  return `${volatilePrefix()}${fnv1a(home)}`;
}

/** The prefix of the names of all such directories of this user. */
export function volatilePrefix(): string {
  return `exai-${Deno.uid()}-`;
}

/** The name of the file in {@linkcode StatePaths.logs} that has the log of a server. */
export function serverLogName(server: string): string {
  return `server-${server}.log`;
}

/** Whether this program was made by `deno compile`. */
export function isCompiled(): boolean {
  return Deno.build.standalone;
}

/** The directory of the program: of the executable when compiled, of the entry point when not. */
export function programDir(): string {
  return isCompiled() ? dirname(Deno.execPath()) : dirname(fromFileUrl(Deno.mainModule));
}
