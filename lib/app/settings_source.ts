import { SECOND_MS } from "../base/units.ts";
import { adoptLoginEnvironment, BASIC_PATH } from "../config/daemon_environment.ts";
import { programDir } from "../config/paths.ts";
import { type ProgramSettings, SettingsLoader } from "../config/program_settings.ts";
import { commandFlags, worksDespiteFaults } from "../commands/commands.ts";
import { loginEnvironment } from "../process/login_shell.ts";

/** How long a daemon that a shim starts waits for the environment of the login shell. */
const LOGIN_TIMEOUT_MS = 5 * SECOND_MS;

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
  const started = worksDespiteFaults(reader.words) ? await reader.readDespiteFaults() : await reader.read();
  return { reader, started };
}

/**
 * The settings of a daemon that a shim has started, with the environment of the user's login shell, so that they are the
 * same whichever window was the first.
 */
export async function openLoginSettings(): Promise<SettingsSource> {
  const env = Deno.env.toObject();
  const from = Deno.build.os === "windows" ? env : { ...env, PATH: BASIC_PATH };
  const login = await loginEnvironment(from, { timeoutMs: LOGIN_TIMEOUT_MS });
  adoptLoginEnvironment(login ?? {});
  return await openSettings();
}
