import { SECOND_MS } from "../base/units.ts";
import { adoptLoginEnvironment } from "../config/daemon_environment.ts";
import { programDir } from "../config/paths.ts";
import { type ProgramSettings, SettingsLoader } from "../config/program_settings.ts";
import { commandFlags } from "../commands/commands.ts";
import { loginEnvironment } from "../process/login_shell.ts";
import { registryEnvironment } from "../process/registry_environment.ts";

/** How long a daemon that a shim starts waits for the environment of the login shell. */
const LOGIN_TIMEOUT_MS = 5 * SECOND_MS;

/** Where programs are searched before the profile says more; the `PATH` of a window must not come first. */
const BASIC_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The settings of `exai-daemon`, and what reads them again. */
export interface SettingsSource {
  reader: SettingsLoader;
  started: ProgramSettings;
}

/** Reads the settings of this process. */
export async function openSettings(): Promise<SettingsSource> {
  const reader = new SettingsLoader({
    programDir: programDir(),
    switches: ["version"],
    commands: commandFlags(),
  });
  return { reader, started: await reader.read() };
}

/**
 * The settings of a daemon that a shim has started, with the environment of the user's login shell, so that they are the
 * same whichever window was the first.
 */
export async function openLoginSettings(): Promise<SettingsSource> {
  const env = Deno.env.toObject();
  const login = Deno.build.os === "windows"
    ? await registryEnvironment(env)
    : await loginEnvironment({ ...env, PATH: BASIC_PATH }, { timeoutMs: LOGIN_TIMEOUT_MS });
  adoptLoginEnvironment(login ?? {});
  return await openSettings();
}
