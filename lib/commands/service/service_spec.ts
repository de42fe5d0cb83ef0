import { resolve } from "@std/path/resolve";
import { ExaiError } from "../../base/errors.ts";
import { fnv1a } from "../../base/text.ts";
import { SECOND_MS } from "../../base/units.ts";
import { daemonCommand } from "../../client/daemon_program.ts";
import { isLoopbackHost } from "../../client/daemon_url.ts";
import { serviceDir, statePaths, windowsAccount, windowsProgram } from "../../config/paths.ts";
import { type SettingName, WHICH_DAEMON } from "../../config/setting_keys.ts";
import { type Setting, SETTINGS } from "../../config/settings.ts";
import { AUTO_TOKEN } from "../../config/token_rule.ts";
import type { Invocation } from "../command.ts";
import { launchdPlan } from "./launchd.ts";
import type { ServicePlan, ServiceSpec } from "./plan.ts";
import { scheduledTaskPlan } from "./scheduled_task.ts";
import { systemdPlan } from "./systemd.ts";

/** What a daemon does after its calls have ended, at most: its servers end. */
const CLEAN_UP_MS = 20 * SECOND_MS;

/** Settings that are paths, which a service does not resolve in the directory of this command. */
const PATHS: readonly SettingName[] = [
  "home",
  "config",
  "envFile",
  "tlsCert",
  "tlsKey",
  "tlsClientCa",
  "tlsCa",
  "tlsClientCert",
  "tlsClientKey",
];

/**
 * The daemon of these settings as a service. What the command line or the environment says of which daemon it is becomes
 * flags; all else it reads for itself, from `exai.json` and the environment of the login shell.
 *
 * @throws {ExaiError} `CONFIG` for a token that would be in a file others can read
 */
export function serviceSpec({ settings, own, switches }: Invocation): ServiceSpec {
  const { command, args } = daemonCommand();
  const { host, port, drainTimeoutMs } = settings;
  const listens = Deno.build.os === "linux" && port !== 0 && isLoopbackHost(host) &&
    !switches.has("no-socket");
  return {
    id: serviceId(settings.home),
    command,
    args: [...args, "--background", ...WHICH_DAEMON.flatMap((name) => flagOf(name, own.get(name)))],
    stopTimeoutMs: drainTimeoutMs + CLEAN_UP_MS,
    // The name may be mapped to any address.
    ...(listens ? { socket: { hostname: host === "localhost" ? "127.0.0.1" : host, port } } : {}),
  };
}

/** How the service manager of this system is told of `spec`. */
export function servicePlan(spec: ServiceSpec, { home }: { home: string }): ServicePlan {
  switch (Deno.build.os) {
    case "windows":
      return scheduledTaskPlan(spec, { dir: home, account: windowsAccount(), program: windowsProgram });
    case "darwin":
      return launchdPlan(spec, { dir: serviceDir()!, uid: Deno.uid()! });
    default:
      return systemdPlan(spec, serviceDir()!);
  }
}

/** One service for each state directory, as there is one daemon. */
function serviceId(home: string): string {
  const own = statePaths({ home }).home;
  return own === statePaths({ home: "" }).home ? "exai-daemon" : `exai-daemon-${fnv1a(resolve(own))}`;
}

function flagOf(name: SettingName, value: string | undefined): string[] {
  if (value === undefined) return [];
  const setting: Setting = SETTINGS[name];
  if (setting.secret && value !== AUTO_TOKEN) {
    throw new ExaiError(
      "CONFIG",
      `${setting.env} would be in a file of the service; write it into exai.json, which the service reads, or set ` +
        `it to ${AUTO_TOKEN}`,
    );
  }
  return [`--${setting.flag}=${PATHS.includes(name) ? resolve(value) : value}`];
}
