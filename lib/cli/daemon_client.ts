import { type ErrorCode, ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { locateDaemon } from "../shim/address.ts";

/** How long a running daemon may take to answer a command. */
const TIMEOUT_MS = 10_000;

/** An answer to a request, and where it came from. */
interface Answer {
  response: Response;
  base: string;
}

/**
 * Asks the running daemon for `path` over HTTP, with the token the settings name.
 *
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when none answers; what the daemon itself says is wrong
 */
export async function askDaemon(settings: Settings, path: string, method = "GET"): Promise<JsonObject> {
  const { response, base } = await ask(settings, path, method);
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && isObject(body)) return body;
  throw refusal(body, response, base);
}

/**
 * The lines the running daemon sends for `path`, as they come, until it stops.
 *
 * @throws {ExaiError} as {@linkcode askDaemon}
 */
export async function* followDaemon(settings: Settings, path: string): AsyncGenerator<string> {
  const target = await locateDaemon(settings, statePaths(settings));
  const token = await target.readToken();
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  const base = await addressOf(target);
  const response = await fetch(new URL(path, base), { headers }).catch((thrown) => {
    throw noDaemon(base, thrown);
  });
  if (!response.ok) throw refusal(await response.json().catch(() => undefined), response, base);
  let rest = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line !== "") yield line;
  }
}

/** Errors about what was asked for, not about the daemon. */
const ABOUT_REQUEST: readonly string[] = ["RESOURCE_NOT_FOUND", "INVALID_PARAMS"];

function refusal(body: unknown, response: Response, base: string): ExaiError {
  const error = isObject(body) && isObject(body.error) ? body.error : {};
  if (ABOUT_REQUEST.includes(String(error.code))) {
    return new ExaiError(error.code as ErrorCode, String(error.message));
  }
  const why = error.message ?? `status ${response.status}`;
  return new ExaiError("DAEMON_UNAVAILABLE", `the daemon at ${base} refused: ${why}`);
}

function noDaemon(base: string, cause: unknown): ExaiError {
  const hint = "start one with exai-daemon, or set EXAI_WS_PORT or EXAI_HOME to where it runs";
  return new ExaiError("DAEMON_UNAVAILABLE", `no daemon answers at ${base}; ${hint}`, { cause });
}

/** Whether anybody answers where the settings say the daemon is, whatever the answer. */
export async function isDaemonThere(settings: Settings): Promise<boolean> {
  try {
    const { response } = await ask(settings, "/health", "GET");
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** Through the socket if there is one that answers, otherwise by the address. */
async function ask(settings: Settings, path: string, method: string): Promise<Answer> {
  const target = await locateDaemon(settings, statePaths(settings));
  const token = await target.readToken();
  const init: RequestInit = {
    method,
    headers: token ? { authorization: `Bearer ${token}` } : undefined,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  // Pipes of Windows cannot be had by fetch.
  if (target.socket?.startsWith("/")) {
    try {
      using client = Deno.createHttpClient({ proxy: { transport: "unix", path: target.socket } });
      const response = await fetch(new URL(path, "http://localhost/"), { ...init, client });
      // Read while the client is there.
      const whole = new Response(await response.arrayBuffer(), response);
      return { response: whole, base: target.socket };
    } catch {
      // The address is left.
    }
  }
  const base = await addressOf(target);
  const tls = base.startsWith("https:") ? await target.readTls?.() : undefined;
  try {
    using client = tls && Deno.createHttpClient(tls as Deno.CreateHttpClientOptions);
    const response = await fetch(new URL(path, base), { ...init, client });
    return { response: new Response(await response.arrayBuffer(), response), base };
  } catch (thrown) {
    throw noDaemon(base, thrown);
  }
}

async function addressOf(target: { readUrl(): Promise<string> }): Promise<string> {
  try {
    return (await target.readUrl()).replace(/^ws/, "http");
  } catch (thrown) {
    const why = `no daemon runs with this state directory: ${messageOf(thrown)}`;
    throw new ExaiError("DAEMON_UNAVAILABLE", why, { cause: thrown });
  }
}
