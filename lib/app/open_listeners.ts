import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { readInstalledService } from "../client/installed_service.ts";
import { takeInheritedSocket } from "../config/daemon_environment.ts";
import { mayUseAnotherPort } from "../client/daemon_url.ts";
import { AddressUnavailableError } from "../edge/deno_listener.ts";
import { Listeners } from "../edge/listeners.ts";
import { listenerProcess } from "../transport/listener_process.ts";
import { findDaemonAt } from "./running_daemon.ts";

const log = getLogger(["exai", "daemon"]);

const WHY_DENIED = Deno.build.os === "windows"
  ? " (Windows has reserved it, as for Hyper-V or WSL: `netsh int ipv4 show excludedportrange tcp` lists what is reserved)"
  : "";

/** How many ports after the default one are tried before the system is asked for one. */
const NEXT_PORTS = 10;

/**
 * Listens on everything that the settings name. Where another program has the default port, the next free one is used,
 * which is the same at each start while that is so: shims and commands find it in `daemon.json`. A port that the user
 * has chosen is wanted by somebody, and is not replaced.
 *
 * @throws {ExaiError} `CONFIG`: the address cannot be had ({@linkcode AddressUnavailableError}), a socket the settings
 * name cannot be used
 */
export async function openListeners(
  options: Parameters<typeof Listeners.open>[0] & { settings: Settings; paths: StatePaths },
): Promise<Listeners> {
  const { settings, paths } = options;
  try {
    return await Listeners.open({ ...options, inherited: takeInheritedSocket() });
  } catch (thrown) {
    if (!(thrown instanceof AddressUnavailableError)) throw thrown;
    const isTaken = thrown.fault === "in use";
    const service = isTaken ? await readInstalledService(paths) : undefined;
    const { host: hostname, port } = settings;
    const isOfService = service !== undefined && service.port === port;
    // A daemon of this user with another state directory is most likely not meant to be doubled. To ask what listens for
    // the service would start that.
    if (isTaken && !isOfService && await findDaemonAt(settings, paths)) throw thrown;
    if (isOfService && !mayUseAnotherPort(settings)) throw heldForService(port, service.id);
    const holder = isTaken ? await nameOf(settings) : "";
    if (!mayUseAnotherPort(settings)) {
      throw new AddressUnavailableError({ hostname, port }, thrown.fault, holder);
    }
    const why = isOfService
      ? `systemd has port ${port} for the service ${service.id}`
      : isTaken
      ? `port ${port} is taken by another program${holder}`
      : `port ${port} is not given to this user by the system${WHY_DENIED}`;
    const next = nextPorts(port, thrown.fault);
    const listeners = await Listeners.open({ ...options, instead: { ports: [...next, 0], why } });
    for (const note of listeners.notes) log.warning("{note}", { note });
    return listeners;
  }
}

/** Not an {@linkcode AddressUnavailableError}, after which the address would be asked who listens there. */
function heldForService(port: number, id: string): ExaiError {
  return new ExaiError(
    "CONFIG",
    `systemd has port ${port} for the service ${id}, which runs the daemon; to run one by hand, ` +
      `systemctl --user stop ${id}.socket first, or set EXAI_WS_PORT (--port) to another port`,
  );
}

/** The ports to try in place of `port`; the same at each start. */
function nextPorts(port: number, fault: AddressUnavailableError["fault"]): number[] {
  // The ranges that Windows reserves, for Hyper-V and WSL among others, are of a hundred ports as a rule.
  const step = fault === "denied" ? 100 : 1;
  return Array.from({ length: NEXT_PORTS }, (_, n) => port + step * (1 + n));
}

/** ` (python3, process 42)`, as far as it is known. */
async function nameOf({ host, port }: Settings): Promise<string> {
  const { pid, name } = await listenerProcess({ hostname: host, port });
  const facts = [name && visible(name), pid && `process ${pid}`].filter(Boolean);
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}
