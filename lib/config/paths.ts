import { dirname, fromFileUrl, join } from "@std/path";
import type { Settings } from "./settings.ts";

/** The files of one state directory. All of them are private to the user. */
export interface StatePaths {
  home: string;
  token: string;
  health: string;
  metrics: string;
  database: string;
  logs: string;
  /** Held while one shim starts the daemon, so that ten shims start one. */
  startLock: string;
  /** Where the running daemon says its address, for shims when the port is taken from the system. */
  endpoint: string;
}

/** The paths in the state directory that `settings` and this system give. */
export function statePaths(settings: Pick<Settings, "home">): StatePaths {
  const home = settings.home || defaultHome();
  return {
    home,
    token: join(home, "token"),
    health: join(home, "health.json"),
    metrics: join(home, "metrics.jsonl"),
    database: join(home, "exai.db"),
    logs: join(home, "logs"),
    startLock: join(home, "start.lock"),
    endpoint: join(home, "daemon.json"),
  };
}

function defaultHome(): string {
  const env = (name: string) => Deno.env.get(name) || undefined;
  const user = env("HOME") ?? env("USERPROFILE") ?? ".";
  switch (Deno.build.os) {
    case "windows":
      return join(env("LOCALAPPDATA") ?? join(user, "AppData", "Local"), "exai");
    case "darwin":
      return join(user, "Library", "Application Support", "exai");
    default:
      return join(env("XDG_STATE_HOME") ?? join(user, ".local", "state"), "exai");
  }
}

/** Whether this program was made by `deno compile`. */
export function isCompiled(): boolean {
  return Deno.build.standalone;
}

/** The directory of the program: of the executable when compiled, of the entry point when not. */
export function programDir(): string {
  return isCompiled() ? dirname(Deno.execPath()) : dirname(fromFileUrl(Deno.mainModule));
}
