import { registerSecret } from "../base/log.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { AUTO_TOKEN } from "../config/token_rule.ts";
import { LinkError } from "./link_target.ts";
import { isLoopback } from "./daemon_url.ts";
import { type ReadFile, readOwnFile } from "./own_files.ts";
import type { LinkTarget } from "./connect.ts";

/** The settings that say where the daemon is. */
export type AddressSettings = Pick<
  Settings,
  "host" | "port" | "token" | "peers" | "socket" | "tlsCa" | "tlsClientCert" | "tlsClientKey"
>;

/** Where the daemon is now: the address, the socket and the token may all change while this program runs. */
export async function locateDaemon(settings: AddressSettings, paths: StatePaths): Promise<LinkTarget> {
  const file = await readOwnFile(paths.endpoint);
  const endpoint = parse(file.text);
  return {
    socket: socketOf(settings, endpoint),
    readUrl: () =>
      settings.port === 0
        ? urlFrom(endpoint, { file, path: paths.endpoint })
        : Promise.resolve(urlOf(settings)),
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

/** Whether the daemon of this state directory is not where the settings say, though they mean one of this machine. */
function listensElsewhere(
  settings: AddressSettings,
  endpoint: JsonObject | undefined,
): endpoint is JsonObject {
  return endpoint !== undefined && isLocal(settings.host) && !hasPort(endpoint, settings.port);
}

function hasPort({ url }: JsonObject, port: number): boolean {
  return port === 0 || URL.parse(String(url))?.port === String(port);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The socket the settings name, or that of the daemon of this state directory if it is the one they mean. */
function socketOf(settings: AddressSettings, endpoint: JsonObject | undefined): string | undefined {
  if (settings.socket === "off") return undefined;
  if (settings.socket !== "auto") return settings.socket;
  if (!endpoint || !isLocal(settings.host) || !hasPort(endpoint, settings.port)) return undefined;
  return textOf(endpoint.socket);
}

/** The address of a daemon on a fixed port. One that listens everywhere is reached on loopback. */
export function urlOf({ host, port, tlsCa }: Pick<Settings, "host" | "port" | "tlsCa">): string {
  // A name may mean several addresses, of which a stranger may hold one; the daemon takes this one.
  const isV4 = host === "" || host === "0.0.0.0" || host === "::" || host.toLowerCase() === "localhost";
  const name = isV4 ? "127.0.0.1" : host;
  return `${tlsCa ? "wss" : "ws"}://${name.includes(":") ? `[${name}]` : name}:${port}/`;
}

/** Whether the daemon at `host` is one this machine could start. */
export function isLocal(host: string): boolean {
  return ["", "0.0.0.0", "::"].includes(host) || isLoopback(host);
}

async function urlFrom(
  endpoint: JsonObject | undefined,
  { file, path }: { file: ReadFile; path: string },
): Promise<string> {
  if (typeof endpoint?.url !== "string") {
    throw new LinkError("refused", file.fault ?? `no daemon has written its address to ${path}`);
  }
  // The port of a dead daemon may be someone else's by now.
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

function parse(text: string | undefined) {
  try {
    const value: unknown = JSON.parse(String(text));
    return isObject(value) ? value : undefined;
  } catch {
    // Nothing was read, or no JSON.
  }
}

async function isAlive(pid: number): Promise<boolean> {
  // Deno itself has no way to ask; loaded only here, for it makes a start 13 ms longer.
  const { default: process } = await import("node:process");
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as { code?: string }).code === "EPERM";
  }
}
