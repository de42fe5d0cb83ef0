import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { Endpoint } from "./endpoint_file.ts";

/** How long a running daemon may take to answer a command. */
const TIMEOUT_MS = 10_000;

/**
 * Asks the running daemon for `path` over HTTP, with the token the settings name.
 *
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when none answers; what the daemon itself says is wrong
 */
export async function askDaemon(settings: Settings, path: string, method = "GET"): Promise<JsonObject> {
  const base = await daemonUrl(settings);
  const token = settings.token === "auto" ? await readToken(settings) : settings.token;
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  let response: Response;
  try {
    response = await fetch(new URL(path, base), { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (thrown) {
    const hint = "start one with exai-daemon, or set EXAI_WS_PORT or EXAI_HOME to where it runs";
    throw new ExaiError("DAEMON_UNAVAILABLE", `no daemon answers at ${base}; ${hint}`, { cause: thrown });
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && isObject(body)) return body;
  const error = isObject(body) && isObject(body.error) ? body.error.message : `status ${response.status}`;
  throw new ExaiError("DAEMON_UNAVAILABLE", `the daemon at ${base} refused: ${error}`);
}

async function daemonUrl(settings: Settings): Promise<string> {
  if (settings.port !== 0) return `http://${settings.host}:${settings.port}/`;
  const path = statePaths(settings).endpoint;
  try {
    const { url } = JSON.parse(await Deno.readTextFile(path)) as Endpoint;
    return url.replace(/^ws/, "http");
  } catch (thrown) {
    throw new ExaiError("DAEMON_UNAVAILABLE", `no daemon runs with this state directory: no ${path}`, {
      cause: thrown,
    });
  }
}

async function readToken(settings: Settings): Promise<string> {
  return (await Deno.readTextFile(statePaths(settings).token).catch(() => "")).trim();
}
