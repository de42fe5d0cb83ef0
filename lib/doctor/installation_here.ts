import { statePaths } from "../config/paths.ts";
import type { ProgramSettings } from "../config/program_settings.ts";
import { SECOND_MS } from "../base/units.ts";
import { loginEnvironment } from "../process/login_shell.ts";
import { registryEnvironment } from "../process/registry_environment.ts";
import { findDaemon } from "./find_daemon.ts";
import type { Installation } from "./installation.ts";

/** As long as a daemon that a window starts waits. */
const LOGIN_TIMEOUT_MS = 5 * SECOND_MS;

/** The installation of this user, by the settings of this process. The login shell and the daemon are asked at once. */
export function installationHere(
  { settings, faults, file }: Pick<ProgramSettings, "settings" | "faults" | "file">,
  options: Pick<Installation, "waitMs" | "isQuick">,
): Installation {
  const env = Deno.env.toObject();
  const paths = statePaths(settings);
  const login = Deno.build.os === "windows"
    ? registryEnvironment(env)
    : loginEnvironment(env, { timeoutMs: LOGIN_TIMEOUT_MS });
  return { ...options, settings, faults, file, env, paths, login, daemon: findDaemon(settings, paths) };
}
