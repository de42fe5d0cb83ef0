import { registerSecret } from "../base/log.ts";
import { isObject } from "../base/json.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { LinkError, type LinkTarget } from "./link.ts";

/** The settings that say where the daemon is. */
export type AddressSettings = Pick<Settings, "host" | "port" | "token">;

/** The value of `EXAI_WS_TOKEN` that means the token the daemon keeps in the state directory. */
const AUTO = "auto";

/**
 * Where the daemon is now: both the address and the token may change while this program runs.
 *
 * @throws {LinkError} `refused` when the daemon says its address itself and has not, or is dead
 */
export async function locateDaemon(settings: AddressSettings, paths: StatePaths): Promise<LinkTarget> {
  const url = settings.port === 0 ? await readEndpoint(paths.endpoint) : urlOf(settings);
  return { url, readToken: () => readToken(settings.token, paths.token) };
}

/** The address of a daemon on a fixed port. One that listens everywhere is reached on loopback. */
export function urlOf({ host, port }: Pick<Settings, "host" | "port">): string {
  const everywhere = host === "" || host === "0.0.0.0" || host === "::";
  const name = everywhere ? "127.0.0.1" : host;
  return `ws://${name.includes(":") ? `[${name}]` : name}:${port}/`;
}

/** Whether the daemon at `host` is one this machine could start. */
export function isLocal(host: string): boolean {
  return ["", "0.0.0.0", "::", "::1", "localhost"].includes(host) || host.startsWith("127.");
}

async function readEndpoint(path: string): Promise<string> {
  const endpoint = parse(await readIfThere(path));
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
