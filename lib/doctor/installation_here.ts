import { BASIC_PATH } from "../config/daemon_environment.ts";
import { ownPlaces } from "../config/client_places.ts";
import { inheritedFrom, PLATFORM } from "../config/inherited_variables.ts";
import { statePaths } from "../config/paths.ts";
import type { SettingsFaults } from "../config/program_settings.ts";
import type { Settings } from "../config/settings.ts";
import { SECOND_MS } from "../base/units.ts";
import { loginEnvironment } from "../process/login_shell.ts";
import { findDaemon } from "./find_daemon.ts";
import type { Installation } from "./installation.ts";

/** As long as a daemon that a window starts waits. */
const LOGIN_TIMEOUT_MS = 5 * SECOND_MS;

/** The installation of this user, by the settings of this process. The daemon is asked at once. */
export function installationHere(
  { settings, faults = [], file }: { settings: Settings } & Partial<SettingsFaults>,
  options: Pick<Installation, "waitMs" | "isQuick"> & Partial<Pick<Installation, "places">>,
): Installation {
  const env = Deno.env.toObject();
  const paths = statePaths(settings);
  let asked: Promise<Record<string, string> | undefined> | undefined;
  const login = () => asked ??= askLoginShell(env);
  const read = file ?? {
    path: paths.settings,
    faults: [],
    warnings: [],
    isBlank: true,
    secrets: new Map(),
    awaitsSecrets: false,
  };
  const places = options.places ?? ownPlaces();
  const daemon = findDaemon(settings, paths);
  return { ...options, places, settings, faults, file: read, env, paths, login, daemon };
}

/** Asks as a daemon does that a window has started: with nothing that only this terminal has. */
async function askLoginShell(env: Record<string, string>): Promise<Record<string, string> | undefined> {
  const inherited = { ...inheritedFrom(env, PLATFORM), PATH: BASIC_PATH };
  return await loginEnvironment(inherited, { timeoutMs: LOGIN_TIMEOUT_MS });
}
