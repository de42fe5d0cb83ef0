import { resolve } from "@std/path/resolve";
import { resolvedWithin } from "../base/abort.ts";
import { ERROR_CODES, type ErrorCode, ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { daemonEnvironment } from "../config/daemon_environment.ts";
import type { LoadedSettings } from "../config/load.ts";
import { statePaths } from "../config/paths.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";
import { CODES, toOpError } from "../wire/codes.ts";
import { LATEST_REVISION } from "../wire/mcp.ts";
import { COMMAND_CLIENT } from "../wire/ops.ts";
import type { RpcError } from "../wire/rpc.ts";
import { locateDaemon } from "./address.ts";
import { DaemonStarter } from "./autostart.ts";
import { isLocal } from "./daemon_url.ts";
import { parseObject } from "./frames.ts";
import { type Link, openLink } from "./link.ts";
import { isNoDaemon, LinkError } from "./link_target.ts";

/** The settings a command is run with. */
type CommandSettings = Pick<LoadedSettings, "settings" | "own">;

interface RequestOptions {
  /** Aborted: the request is cancelled. */
  signal?: AbortSignal;
  /** Called for each progress notification. */
  onProgress?: (progress: JsonObject) => void;
}

interface SentRequest extends PromiseWithResolvers<JsonObject> {
  onProgress?: RequestOptions["onProgress"];
}

const NORMAL_CLOSURE = 1000;

/** How long the daemon may take to notice that a request is cancelled. */
const CANCEL_MS = 2 * SECOND_MS;

/**
 * An MCP session with the daemon, as a window has one: what a command calls tools with. The daemon is started where none
 * runs.
 */
export class DaemonSession implements Disposable {
  /** Its id, by which the routes of the daemon find it. */
  readonly id: string;
  /** The version of the daemon. */
  readonly daemonVersion: string;
  readonly #socket: ClientSocket;
  readonly #pending = new Map<number, SentRequest>();
  readonly #waiting = new Set<() => void>();
  #nextId = 1;

  private constructor({ socket, ack }: Link) {
    this.id = ack.session_id;
    this.daemonVersion = ack.daemon.version;
    this.#socket = socket;
    socket.onframe = (text) => this.#receive(text);
    socket.closed.then(({ code, reason }) => this.#end(`${code} ${reason}`.trimEnd()));
  }

  /**
   * Opens a session for the directory `cwd`.
   *
   * @throws {ExaiError} `DAEMON_UNAVAILABLE` when no daemon answers and none can be started
   */
  static async open(settings: CommandSettings, { cwd }: { cwd: string | undefined }): Promise<DaemonSession> {
    const hello = { client: { name: COMMAND_CLIENT, version: VERSION }, cwd: cwd ?? null };
    const session = new DaemonSession(await openStarted(settings, hello));
    await session.request("initialize", {
      protocolVersion: LATEST_REVISION,
      capabilities: {},
      clientInfo: hello.client,
    });
    session.#send({ method: "notifications/initialized" });
    return session;
  }

  /**
   * Sends a request and waits for its result, however long that takes.
   *
   * @throws {ExaiError} the error it was answered with; `CANCELLED`; `DAEMON_UNAVAILABLE` when the connection ends
   */
  async request(method: string, params: JsonObject, options: RequestOptions = {}): Promise<JsonObject> {
    const { signal, onProgress } = options;
    const id = this.#nextId++;
    const pending: SentRequest = { ...Promise.withResolvers<JsonObject>(), onProgress };
    this.#pending.set(id, pending);
    const cancel = () => {
      this.#send({ method: "notifications/cancelled", params: { requestId: id } });
      // The caller may end the process at once: what is answered behind the notification shows that it has arrived.
      resolvedWithin(this.request("ping", {}).catch(() => {}), CANCEL_MS).finally(() =>
        pending.reject(new ExaiError("CANCELLED", "the call was cancelled"))
      );
    };
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const meta = onProgress ? { _meta: { progressToken: id } } : {};
      this.#send({ id, method, params: { ...params, ...meta } });
      if (signal?.aborted) cancel();
      return await pending.promise;
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#pending.delete(id);
    }
  }

  /** Resolves when the daemon says that the list of tools has changed, or after `timeoutMs`. */
  async toolsChanged(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  [Symbol.dispose](): void {
    this.#socket.close(NORMAL_CLOSURE);
  }

  #send(message: JsonObject): void {
    if (this.#socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }))) return;
    this.#end("it has ended");
  }

  #receive(text: string): void {
    const message = parseObject(text);
    if (message?.jsonrpc !== "2.0") return;
    if (textOf(message.method) !== undefined) return this.#handle(message);
    const pending = this.#pending.get(Number(message.id));
    if (isObject(message.error)) pending?.reject(errorOf(message.error));
    else pending?.resolve(isObject(message.result) ? message.result : {});
  }

  #handle({ id, method, params }: JsonObject): void {
    // A session that declares no capabilities is asked for nothing but signs of life.
    if (id !== undefined) {
      return this.#send(
        method === "ping"
          ? { id, result: {} }
          : { id, error: { code: CODES.METHOD_NOT_FOUND.rpc, message: "not supported" } },
      );
    }
    if (method === "notifications/tools/list_changed") { for (const resolve of this.#waiting) resolve(); }
    if (method !== "notifications/progress" || !isObject(params)) return;
    this.#pending.get(Number(params.progressToken))?.onProgress?.(params);
  }

  #end(why: string): void {
    const error = new ExaiError("DAEMON_UNAVAILABLE", `the connection to the daemon has ended: ${why}`);
    for (const { reject } of this.#pending.values()) reject(error);
    for (const resolve of this.#waiting) resolve();
  }
}

/**
 * Starts the daemon, as a window does, unless one runs.
 *
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when it cannot be started, or must not be by the settings
 */
export async function ensureDaemon(settings: CommandSettings): Promise<void> {
  const { socket } = await openStarted(settings, { client: { name: "exai-daemon", version: VERSION } });
  socket.close(NORMAL_CLOSURE);
}

/** A link to the daemon, which is started where none runs. */
async function openStarted({ settings: given, own }: CommandSettings, hello: JsonObject): Promise<Link> {
  // The daemon is started in another directory than this one.
  const settings = given.home ? { ...given, home: resolve(given.home) } : given;
  const paths = statePaths(settings);
  const dial = async () => await openLink(await locateDaemon(settings, paths), hello);
  try {
    return await dial();
  } catch (thrown) {
    if (!(thrown instanceof LinkError) || !isNoDaemon(thrown)) throw unavailable(thrown);
    if (!settings.autostart || !isLocal(settings.host)) {
      throw unavailable(thrown, settings.autostart ? "start it there" : "start one with exai-daemon");
    }
    const starter = new DaemonStarter(daemonEnvironment(settings, own), paths);
    return await starter.start(dial, { isOccupied: thrown.fault === "occupied" }).catch((thrown) => {
      throw unavailable(thrown);
    });
  }
}

function unavailable(thrown: unknown, advice?: string): ExaiError {
  const message = [messageOf(thrown), advice].filter(Boolean).join("; ");
  return new ExaiError("DAEMON_UNAVAILABLE", message, { cause: thrown });
}

function errorOf(error: JsonObject): ExaiError {
  const { code, message } = toOpError(error as unknown as RpcError);
  const known = ERROR_CODES.find((name) => name === code) as ErrorCode | undefined;
  return new ExaiError(known ?? "INTERNAL", textOf(message) ?? "the request was refused without a reason");
}
