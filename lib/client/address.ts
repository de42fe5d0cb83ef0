import { registerSecret } from "../base/log.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { AUTO_TOKEN } from "../config/token_rule.ts";
import { isAlive } from "../state/live_process.ts";
import { isLocal, mayUseAnotherPort, urlOf } from "./daemon_url.ts";
import { parseObject } from "./frames.ts";
import { LinkError, type LinkTarget } from "./link_target.ts";
import { type OwnFile, readOwnFile } from "./own_files.ts";

/** The settings that say where the daemon is. */
export type AddressSettings = Pick<
  Settings,
  "host" | "port" | "token" | "peers" | "socket" | "tlsCa" | "tlsClientCert" | "tlsClientKey"
>;

/** Locates the daemon now: its address, socket and token may all change while this program runs. */
export async function locateDaemon(settings: AddressSettings, paths: StatePaths): Promise<LinkTarget> {
  const file = await readOwnFile(paths.endpoint);
  const endpoint = file.text === undefined ? undefined : parseObject(file.text);
  return {
    socket: socketOf(settings, endpoint),
    readUrl: () =>
      settings.port === 0 || endpoint?.instead_of === settings.port
        ? urlFrom(endpoint, { file, path: paths.endpoint })
        : Promise.resolve(urlOf(settings)),
    mayBeStranger: async () => mayUseAnotherPort(settings) && !await isDaemonThere(endpoint),
    readTls: async () => (await import("../config/tls.ts")).loadClientTls(settings),
    usesToken: settings.token !== "",
    allowsAnyUser: settings.peers === "any",
    fault: file.fault,
    readToken: () => readToken(settings.token, paths.token),
    fallback: listensElsewhere(settings, endpoint)
      ? {
        socket: settings.socket === "off" ? undefined : textOf(endpoint.socket),
        readUrl: () => urlFrom(endpoint, { file, path: paths.endpoint }),
      }
      : undefined,
  };
}

/** Whether the daemon of this state directory listens on another port than the settings name for this machine. */
function listensElsewhere(
  settings: AddressSettings,
  endpoint: JsonObject | undefined,
): endpoint is JsonObject {
  return endpoint !== undefined && isLocal(settings.host) && !hasPort(endpoint, settings.port);
}

/** A daemon whose port another program had counts as the daemon at that port. */
function hasPort({ url, instead_of }: JsonObject, port: number): boolean {
  return port === 0 || instead_of === port || URL.parse(String(url))?.port === String(port);
}

/** The socket the settings name, or that of this state directory's daemon if its port is the one they name. */
function socketOf(settings: AddressSettings, endpoint: JsonObject | undefined): string | undefined {
  if (settings.socket === "off") return undefined;
  if (settings.socket !== "auto") return settings.socket;
  if (!endpoint || !isLocal(settings.host) || !hasPort(endpoint, settings.port)) return undefined;
  return textOf(endpoint.socket);
}

/** Whether the daemon that wrote `endpoint` runs. */
async function isDaemonThere(endpoint: JsonObject | undefined): Promise<boolean> {
  return typeof endpoint?.pid === "number" && await isAlive(endpoint.pid);
}

/** Whether a daemon of the state directory has written its address and runs. */
export async function hasDaemon(paths: StatePaths): Promise<boolean> {
  const { text } = await readOwnFile(paths.endpoint);
  return await isDaemonThere(text === undefined ? undefined : parseObject(text));
}

async function urlFrom(
  endpoint: JsonObject | undefined,
  { file, path }: { file: OwnFile; path: string },
): Promise<string> {
  if (typeof endpoint?.url !== "string") {
    throw new LinkError("refused", file.fault ?? `no daemon has written its address to ${path}`);
  }
  // Another program may have the port of a dead daemon by now.
  if (typeof endpoint.pid === "number" && !await isAlive(endpoint.pid)) {
    throw new LinkError("refused", `the daemon that wrote ${path} (process ${endpoint.pid}) is gone`);
  }
  return endpoint.url;
}

async function readToken(setting: string, path: string): Promise<string | undefined> {
  if (setting !== AUTO_TOKEN) {
    registerSecret(setting);
    return setting || undefined;
  }
  const { text, fault } = await readOwnFile(path);
  const token = text?.trim();
  if (!token) {
    const why = fault ?? `there is no token in ${path}, which our daemon makes when it starts`;
    throw new LinkError("unproven", `nothing can be proved to or by whoever listens: ${why}`);
  }
  registerSecret(token);
  return token;
}
