import { getLogger } from "@logtape/logtape";
import { dirname, join } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import { fnv1a } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import { runtimeDir, socketName, type StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { loadServerTls } from "../config/tls.ts";
import type { HttpRequestHandler } from "./arrival.ts";
import type { HandleBudget } from "./handle_budget.ts";
import { AddressInUse, Listener } from "./listener.ts";
import type { NodeListener } from "./node_listener.ts";
import { MAX_SOCKET_PATH_BYTES, SocketFile } from "./socket_file.ts";
import { type ProbedListener, probeOwnDoors } from "./self_probe.ts";
import { checkBound, checkExposure, type ExposureSettings } from "./exposure.ts";

const log = getLogger(["exai", "edge"]);

/** How long a door of ours may take to refuse a stranger; the start waits for it. */
const PROBE_TIMEOUT_MS = 2 * SECOND_MS;

interface ListenersOptions {
  settings: ExposureSettings & Pick<Settings, "port" | "socket" | "tlsKey" | "tlsClientCa">;
  paths: StatePaths;
  handler: HttpRequestHandler;
  /** The file handles of this process. */
  handles?: HandleBudget;
  /** Called when a door is no longer served, and when it is again. */
  onchange?(): void;
}

/** Anything that listens. */
interface Door {
  /** That it is not served, in a sentence. */
  readonly fault?: string | undefined;
  stop(): Promise<void>;
}

/** Every address the daemon listens at. */
export class Listeners implements AsyncDisposable {
  /** The address everybody may use: `ws://host:port/`, or `wss:` with TLS. */
  readonly url: string;
  /** Path of the Unix socket or named pipe, if there is one. */
  socket: string | undefined;
  readonly #address: Deno.NetAddr;
  readonly #doors: Door[];
  readonly #files = new AsyncDisposableStack();
  readonly #settings: ListenersOptions["settings"];
  #stopped: Promise<void> | undefined;

  private constructor(tcp: Listener | NodeListener, scheme: "ws" | "wss", { settings }: ListenersOptions) {
    this.#settings = settings;
    this.#address = tcp.address as Deno.NetAddr;
    const { hostname, port } = this.#address;
    this.url = `${scheme}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`;
    this.#doors = [tcp];
  }

  /**
   * Listens everywhere the settings say.
   *
   * @throws {ExaiError} `CONFIG`: the address is taken, a socket the settings name cannot be used
   */
  static async open(options: ListenersOptions): Promise<Listeners> {
    checkExposure(options.settings);
    // The address first: it is where another daemon of the same settings is noticed.
    const doors = await Listeners.#openAddress(options);
    try {
      checkBound(doors.#address.hostname, options.settings);
      await doors.#openSocket(options);
      return doors;
    } catch (thrown) {
      await doors[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /**
   * Tries every door as a stranger would; what answers there is in place by now.
   *
   * @throws {ExaiError} `CONFIG` when a stranger gets in
   */
  async probe(): Promise<void> {
    const asksToken = this.#settings.token !== "";
    await probeOwnDoors(this.#seenFromOutside(), { asksToken, timeoutMs: PROBE_TIMEOUT_MS });
  }

  /** Which doors are not served, each in a sentence. */
  faults(): string[] {
    return this.#doors.flatMap((door) => door.fault ?? []);
  }

  /** Stops accepting connections; those that are open stay. Resolves when the last one is closed. */
  stop(): Promise<void> {
    return this.#stopped ??= Promise.all(this.#doors.map((door) => door.stop())).then(() => {});
  }

  /** As `stop`, unless that has been asked for before: then connections still open are not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopped) await this.stop();
    await this.#files.disposeAsync();
  }

  #seenFromOutside(): ProbedListener[] {
    const { protocol } = new URL(this.url);
    const { hostname, port } = this.#address;
    const tls = protocol === "wss:" ? { asksCertificate: this.#settings.tlsClientCa !== "" } : undefined;
    return [
      { kind: "address", hostname, port, tls },
      ...(this.socket ? [{ kind: "socket", path: this.socket } as const] : []),
    ];
  }

  static async #openAddress(options: ListenersOptions): Promise<Listeners> {
    const { settings, handler, handles, onchange } = options;
    // Clients dial this address for the name: it may mean another one to each program.
    const hostname = settings.host.toLowerCase() === "localhost" ? "127.0.0.1" : settings.host;
    const at = { hostname, port: settings.port, handler, handles, onchange };
    const tls = await loadServerTls(settings);
    if (!tls) return new Listeners(new Listener(at), "ws", options);
    try {
      if (!tls.clientCa) return new Listeners(new Listener({ ...at, tls }), "wss", options);
      const { NodeListener } = await import("./node_listener.ts");
      return new Listeners(await NodeListener.listen({ ...at, tls }), "wss", options);
    } catch (thrown) {
      if (thrown instanceof AddressInUse) throw thrown;
      const hint = "see that EXAI_TLS_CERT and EXAI_TLS_KEY belong together";
      throw new ExaiError("CONFIG", `cannot listen with TLS: ${messageOf(thrown)}; ${hint}`, {
        cause: thrown,
      });
    }
  }

  async #openSocket({ settings, paths, handler, handles, onchange }: ListenersOptions): Promise<void> {
    if (settings.socket === "off") return;
    try {
      if (Deno.build.os === "windows") return await this.#openPipe(settings, paths, handler);
      const place = settings.socket === "auto"
        ? shortSocket(paths)
        : { path: settings.socket, lockPath: settings.socket + ".lock" };
      const file = this.#files.use(await SocketFile.claim(place));
      this.#doors.push(new Listener({ path: file.path, handler, handles, onchange }));
      this.socket = file.path;
    } catch (thrown) {
      if (settings.socket !== "auto") throw thrown;
      // What nobody asked for must not keep the daemon from its work.
      log.warning("{why}; shims use {url}", { why: messageOf(thrown), url: this.url });
    }
  }

  /** A named pipe of this user, as Windows has it in place of sockets. */
  async #openPipe(
    { socket }: { socket: string },
    paths: StatePaths,
    handler: HttpRequestHandler,
  ): Promise<void> {
    const { NodeListener } = await import("./node_listener.ts");
    const path = socket === "auto" ? `\\\\.\\pipe\\exai-${fnv1a(paths.home)}` : socket;
    this.#doors.push(await NodeListener.listen({ path, handler }));
    this.socket = path;
  }
}

/**
 * The socket in the state directory; where its path would be too long for one, in the user's directory for such
 * things, under a name made of the state directory's.
 *
 * @throws {ExaiError} `CONFIG` when the path is too long and there is no such directory
 */
function shortSocket({ home, socket, socketLock }: StatePaths): { path: string; lockPath: string } {
  if (fits(socket)) return { path: socket, lockPath: socketLock };
  const dir = runtimeDir();
  const path = dir && join(dir, socketName(home));
  if (path && fits(path)) return { path, lockPath: `${path}.lock` };
  throw new ExaiError(
    "CONFIG",
    `no socket: ${dirname(socket)} is too long for one and XDG_RUNTIME_DIR names no other place; ` +
      "set EXAI_SOCKET to a shorter path",
  );
}

function fits(path: string): boolean {
  return new TextEncoder().encode(path).length <= MAX_SOCKET_PATH_BYTES;
}
