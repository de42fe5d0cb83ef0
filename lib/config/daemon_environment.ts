import { inheritedFrom, PLATFORM } from "./inherited_variables.ts";
import { WHICH_DAEMON } from "./setting_keys.ts";
import { SETTINGS, type Settings } from "./settings.ts";

const DELIMITER = PLATFORM === "windows" ? ";" : ":";

/** Where programs are searched before the profile says more; the `PATH` of a window must not come first. */
export const BASIC_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Tells a daemon that a shim has started it: its environment is not one that somebody has chosen for it. */
const STARTED_BY_SHIM = "EXAI_STARTED_BY_SHIM";

/** Whether a shim has started this daemon. */
export function isStartedByShim(): boolean {
  return Boolean(Deno.env.get(STARTED_BY_SHIM));
}

/**
 * The environment a shim starts the daemon with: what is the user's in every window, and what decides which daemon it
 * is. All else a window has is its own.
 *
 * @param settings the window's settings; those it has from `exai.json` the daemon reads there itself
 * @param own the settings the window sets by flag or environment
 */
export function daemonEnvironment(
  settings: Pick<Settings, (typeof WHICH_DAEMON)[number]>,
  own: ReadonlyMap<keyof Settings, string>,
): Record<string, string> {
  const env = Deno.env.toObject();
  const path = Object.entries(env).filter(([name]) => name.toUpperCase() === "PATH");
  const runtime = Object.entries(env).filter(([name]) => name.startsWith("DENO_"));
  const which = WHICH_DAEMON.filter((name) => own.has(name) && settings[name] !== "")
    .map((name) => [SETTINGS[name].env, String(settings[name])]);
  return {
    ...inheritedFrom(env, PLATFORM),
    ...Object.fromEntries([...path, ...runtime, ...which]),
    // Empty means that no env file is read.
    ...(env.ENV_FILE === "" ? { ENV_FILE: "" } : {}),
    [STARTED_BY_SHIM]: "1",
  };
}

/**
 * Makes the environment of the user's login shell this process's own, except for what decides which daemon it is. What
 * only this process's `PATH` has goes behind the login shell's.
 */
export function adoptLoginEnvironment(login: Readonly<Record<string, string>>): void {
  const which: string[] = WHICH_DAEMON.map((name) => SETTINGS[name].env);
  for (const [name, value] of Object.entries(login)) {
    if (!which.includes(name) && name !== "PATH") Deno.env.set(name, value);
  }
  const entries = [login.PATH, Deno.env.get("PATH")].flatMap((path) => path?.split(DELIMITER) ?? []);
  if (entries.length > 0) Deno.env.set("PATH", [...new Set(entries)].join(DELIMITER));
}

/** The first descriptor that systemd passes (`SD_LISTEN_FDS_START` of sd_listen_fds(3)). */
const FIRST_DESCRIPTOR = 3;

/**
 * The descriptor of the socket that systemd listens on for this process and has passed to it; undefined where there is
 * none. It is told once, and not to the programs that this one starts.
 */
export function takeInheritedSocket(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const [pid, count] = ["LISTEN_PID", "LISTEN_FDS"].map((name) => Number(Deno.env.get(name)));
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) Deno.env.delete(name);
  return pid === Deno.pid && count! > 0 ? FIRST_DESCRIPTOR : undefined;
}
