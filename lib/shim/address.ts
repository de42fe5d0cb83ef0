import { registerSecret } from "../base/log.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { whyUntrusted } from "../config/trust.ts";
import { loadClientTls } from "../config/tls.ts";
import { LinkError, type LinkTarget } from "./link.ts";

/** The settings that say where the daemon is. */
export type AddressSettings = Pick<
  Settings,
  "host" | "port" | "token" | "socket" | "tlsCa" | "tlsClientCert" | "tlsClientKey"
>;

/** The value of `EXAI_WS_TOKEN` that means the token the daemon keeps in the state directory. */
const AUTO = "auto";

/** Where the daemon is now: the address, the socket and the token may all change while this program runs. */
export async function locateDaemon(settings: AddressSettings, paths: StatePaths): Promise<LinkTarget> {
  const endpoint = parse(await readIfThere(paths.endpoint));
  return {
    socket: socketOf(settings, endpoint),
    readUrl: () => settings.port === 0 ? urlFrom(endpoint, paths.endpoint) : Promise.resolve(urlOf(settings)),
    readTls: () => loadClientTls(settings),
    readToken: () => readToken(settings.token, paths.token),
  };
}

/** The socket the settings name, or that of the daemon of this state directory if it is the one they mean. */
function socketOf(settings: AddressSettings, endpoint: JsonObject | undefined): string | undefined {
  if (settings.socket === "off") return undefined;
  if (settings.socket !== "auto") return settings.socket;
  if (typeof endpoint?.socket !== "string" || !isLocal(settings.host)) return undefined;
  const samePort = settings.port === 0 || URL.parse(String(endpoint.url))?.port === String(settings.port);
  return samePort ? endpoint.socket : undefined;
}

/** The address of a daemon on a fixed port. One that listens everywhere is reached on loopback. */
export function urlOf({ host, port, tlsCa }: Pick<Settings, "host" | "port" | "tlsCa">): string {
  const everywhere = host === "" || host === "0.0.0.0" || host === "::";
  const name = everywhere ? "127.0.0.1" : host;
  return `${tlsCa ? "wss" : "ws"}://${name.includes(":") ? `[${name}]` : name}:${port}/`;
}

/** Whether the daemon at `host` is one this machine could start. */
export function isLocal(host: string): boolean {
  return ["", "0.0.0.0", "::", "::1", "localhost"].includes(host) || host.startsWith("127.");
}

async function urlFrom(endpoint: JsonObject | undefined, path: string): Promise<string> {
  if (typeof endpoint?.url !== "string") {
    throw new LinkError("refused", `no daemon has written its address to ${path}`);
  }
  // The port of a dead daemon may be someone else's by now.
  if (typeof endpoint.pid === "number" && !await isAlive(endpoint.pid)) {
    throw new LinkError("refused", `the daemon that wrote ${path} (process ${endpoint.pid}) is gone`);
  }
  return endpoint.url;
}

async function readToken(setting: string, path: string): Promise<string | undefined> {
  const distrust = setting === AUTO ? whyUntrusted(path) : undefined;
  if (distrust !== undefined) {
    throw new LinkError(
      "unauthorized",
      `the token in ${path} is not used, since others may know it: ${distrust}`,
    );
  }
  const token = setting === AUTO ? (await readIfThere(path))?.trim() : setting;
  if (token) registerSecret(token);
  return token || undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return undefined;
  }
}

function parse(text: string | undefined) {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
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
