import { messageOf } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { isLoopbackHost, mayUseAnotherPort } from "../client/daemon_url.ts";
import type { Settings } from "../config/settings.ts";
import { MAX_SOCKET_PATH_BYTES } from "../edge/socket_file.ts";
import { type ListenerProcess, listenerProcess } from "../transport/listener_process.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { ForeignListener, Installation } from "./installation.ts";

const NEAREST = 20;

/** The address and the socket of the daemon, while none listens there. */
export async function checkPort(installation: Installation): Promise<Finding[]> {
  const { settings } = installation;
  const daemon = await installation.daemon;
  const socket = await socketFindings(installation);
  if (daemon.is !== "stopped") return socket;
  const { host, port } = settings;
  if (port === 0) return socket;
  const refusal = tryListening({ hostname: host, port });
  if (refusal === undefined) return socket;
  if (!(refusal instanceof Deno.errors.AddrInUse)) return [...socket, notGiven(settings, refusal)];
  const holder = await listenerProcess({ hostname: host, port });
  return [...socket, portTaken(settings, describeHolder(holder, daemon.listener))];
}

function describeHolder({ name, pid }: ListenerProcess, listener: ForeignListener | undefined): string {
  if (listener && (listener.is === "daemon" || pid === undefined)) return listener.what;
  const facts = [name && visible(name), pid && `process ${pid}`].filter(Boolean);
  return `another program${facts.length === 0 ? "" : ` (${facts.join(", ")})`}`;
}

function portTaken(settings: Settings, who: string): Finding {
  const { host, port } = settings;
  const what = `port ${port} is taken by ${who}`;
  // Not a fault: the daemon takes the next port, and windows find it.
  if (mayUseAnotherPort(settings)) {
    return warning(
      "port-taken",
      `${what}; the daemon will take another one, which windows find by themselves`,
      "nothing has to be done, unless a client has the daemon's URL: give it the port that exai-daemon ps shows, or " +
        "end the other program",
    );
  }
  const free = freePort(host, port);
  const instead = free === undefined ? "another port" : `another port (${free} is free)`;
  return fault(
    "port-taken",
    `${what}, so the daemon cannot start`,
    `end that program, or set EXAI_WS_PORT (port in exai.json) to ${instead}`,
  );
}

/** That the system does not let this user listen there. */
export function notGiven({ host, port }: Settings, refusal: Error): Finding {
  const isOtherAddress = refusal instanceof Deno.errors.AddrNotAvailable || !isLoopbackHost(host);
  return isOtherAddress
    ? fault(
      "address-missing",
      `this machine has no address ${host}: ${messageOf(refusal)}`,
      "set EXAI_WS_HOST (host in exai.json) to 127.0.0.1, or to an address of this machine",
    )
    : fault(
      "port-denied",
      `the system does not give port ${port} to this user: ${messageOf(refusal)}`,
      "set EXAI_WS_PORT (port in exai.json) to one above 1024; on Windows " +
        "`netsh int ipv4 show excludedportrange tcp` lists reserved ones",
    );
}

function tryListening(at: { hostname: string; port: number }): Error | undefined {
  try {
    Deno.listen(at).close();
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(messageOf(thrown));
  }
}

function freePort(hostname: string, after: number): number | undefined {
  for (let port = after + 1; port <= Math.min(after + NEAREST, 65535); port++) {
    if (tryListening({ hostname, port }) === undefined) return port;
  }
  return undefined;
}

/** What stands in the way of the Unix socket. */
async function socketFindings({ settings, paths }: Installation): Promise<Finding[]> {
  if (settings.socket === "off" || Deno.build.os === "windows") return [];
  const path = settings.socket === "auto" ? paths.socket : settings.socket;
  const isTooLong = new TextEncoder().encode(path).length > MAX_SOCKET_PATH_BYTES;
  if (isTooLong) {
    return settings.socket === "auto" ? [] : [fault(
      "socket-unusable",
      `the socket ${path} has a longer path than the ${MAX_SOCKET_PATH_BYTES} bytes the system allows`,
      "set EXAI_SOCKET (socket in exai.json) to auto, or to a shorter path",
    )];
  }
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info === undefined || info.isSocket) return [];
  return [fault(
    "socket-unusable",
    `${path}, where the daemon's socket belongs, is no socket`,
    "move it away, or set EXAI_SOCKET (socket in exai.json) to another path",
  )];
}
