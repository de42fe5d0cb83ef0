import { getLogger } from "@logtape/logtape";
import { dirname, join } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import { fnv1a } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import { runtimeDir, socketName, type StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { loadServerTls } from "../config/tls.ts";
import type { HttpRequestHandler } from "./request_context.ts";
import type { HandleBudget } from "./handle_budget.ts";
import { AddressUnavailableError, DenoListener, endpointOf, tcpAddress } from "./deno_listener.ts";
import type { NodeListener } from "./node_listener.ts";
import { MAX_SOCKET_PATH_BYTES, SocketFile } from "./socket_file.ts";
import { type ProbedListener, probeListeners } from "./self_probe.ts";
import { checkBoundAddress, checkExposure, type ExposureSettings } from "./exposure.ts";

const log = getLogger(["exai", "edge"]);

/** Time limit for each probe of a listener, in milliseconds; the start waits for them. */
const PROBE_TIMEOUT_MS = 2 * SECOND_MS;

interface ListenersOptions {
  settings: ExposureSettings & Pick<Settings, "port" | "socket" | "tlsKey" | "tlsClientCa">;
  paths: StatePaths;
  handler: HttpRequestHandler;
  /** What keeps the daemon from the port of the settings, when another is used in its place. */
  instead?: AddressInstead;
  /** The descriptor of a socket that is listened on at the address of the settings. */
  inherited?: number;
  /** The file handles of this process. */
  handles?: HandleBudget;
  /** Called when a listener has stopped by itself, and when it runs again. */
  onChange?(): void;
}

/** Another port than the settings name, and why. */
interface AddressInstead {
  /** The ports to try, in order; 0: one that the system assigns. */
  ports: readonly number[];
  /** Why the port of the settings is not used, in a clause. */
  why: string;
}

interface Listener {
  /** The current or recent outage, in a sentence. */
  readonly fault?: string | undefined;
  stop(): Promise<void>;
}

/** Everything the daemon listens on: a TCP address, and a Unix socket or named pipe. */
export class Listeners implements AsyncDisposable {
  /** The URL of the TCP address: `ws://host:port/`, or `wss:` with TLS. */
  readonly url: string;
  /** Path of the Unix socket or named pipe, if there is one. */
  socket: string | undefined;
  readonly #address: Deno.NetAddr;
  readonly #listeners: Listener[];
  readonly #files = new AsyncDisposableStack();
  readonly #settings: ListenersOptions["settings"];
  readonly #instead: AddressInstead | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(
    tcp: DenoListener | NodeListener,
    { settings, instead, isTls }: Pick<ListenersOptions, "settings" | "instead"> & { isTls: boolean },
  ) {
    this.#settings = settings;
    this.#instead = instead;
    this.#address = tcpAddress(tcp.address);
    this.url = `${endpointOf(this.#address, isTls)}/`;
    this.#listeners = [tcp];
  }

  /**
   * Listens on everything that the settings name.
   *
   * @throws {ExaiError} `CONFIG`: the address cannot be had ({@linkcode AddressUnavailableError}), a socket the settings
   * name cannot be used
   */
  static async open(options: ListenersOptions): Promise<Listeners> {
    checkExposure(options.settings);
    // The address first: a second daemon with the same settings fails here.
    const listeners = await Listeners.#openAddress(options);
    try {
      checkBoundAddress(listeners.#address.hostname, options.settings);
      await listeners.#openSocket(options);
      return listeners;
    } catch (thrown) {
      await listeners[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /**
   * Sends every listener the requests that it must refuse. The request handler must be in place.
   *
   * @throws {ExaiError} `CONFIG` when one is not refused
   */
  async probe(): Promise<void> {
    const requiresToken = this.#settings.token !== "";
    await probeListeners(this.#probeTargets(), { requiresToken, timeoutMs: PROBE_TIMEOUT_MS });
  }

  /** The port of the TCP address. */
  get port(): number {
    return this.#address.port;
  }

  /** The port of the settings, where another is used in its place. */
  get insteadOfPort(): number | undefined {
    return this.#instead && this.#settings.port;
  }

  /** That another port than that of the settings is used, in a sentence. */
  get notes(): string[] {
    if (!this.#instead) return [];
    const { hostname, port } = this.#address;
    const place = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
    return [
      `${this.#instead.why}; listening on ${place} until the next start. Shims and commands find it; a client with a ` +
      "URL needs this port",
    ];
  }

  /** Current and recent outages, each in a sentence. */
  faults(): string[] {
    return this.#listeners.flatMap(({ fault }) => fault ?? []);
  }

  /** Stops accepting connections; open ones continue. Resolves when the last one is closed. */
  stop(): Promise<void> {
    return this.#stopped ??= Promise.all(this.#listeners.map((listener) => listener.stop())).then(() => {});
  }

  /** As `stop`; after a call of `stop` it does not wait for open connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopped) await this.stop();
    await this.#files.disposeAsync();
  }

  #probeTargets(): ProbedListener[] {
    const { protocol } = new URL(this.url);
    const { hostname, port } = this.#address;
    const tls = protocol === "wss:" ? { requestsCertificate: this.#settings.tlsClientCa !== "" } : undefined;
    return [
      { kind: "address", hostname, port, tls },
      ...(this.socket ? [{ kind: "socket", path: this.socket } as const] : []),
    ];
  }

  /** @throws {AddressUnavailableError} when none of the ports can be had */
  static async #openAddress(options: ListenersOptions): Promise<Listeners> {
    const ports = options.instead?.ports ?? [options.settings.port];
    for (const port of ports.slice(0, -1)) {
      try {
        return await Listeners.#openPort(options, port);
      } catch (thrown) {
        if (!(thrown instanceof AddressUnavailableError)) throw thrown;
      }
    }
    return await Listeners.#openPort(options, ports.at(-1)!);
  }

  static async #openPort(options: ListenersOptions, port: number): Promise<Listeners> {
    const { settings, instead, handler, handles, onChange } = options;
    // Clients dial this address for the name, which the hosts file may map to any.
    const hostname = settings.host.toLowerCase() === "localhost" ? "127.0.0.1" : settings.host;
    const at = { hostname, port, handler, handles, onChange };
    const about = { settings, instead, isTls: true };
    const tls = await loadServerTls(settings);
    if (options.inherited !== undefined) {
      const { listenOnInherited } = await import("./inherited_listener.ts");
      const listener = await listenOnInherited(options.inherited, { hostname, port, tls, handler });
      if (listener) return new Listeners(listener, { ...about, isTls: tls !== undefined });
    }
    if (!tls) return new Listeners(new DenoListener(at), { ...about, isTls: false });
    try {
      if (!tls.clientCa) return new Listeners(new DenoListener({ ...at, tls }), about);
      const { NodeListener } = await import("./node_listener.ts");
      return new Listeners(await NodeListener.listen({ ...at, tls }), about);
    } catch (thrown) {
      if (thrown instanceof AddressUnavailableError) throw thrown;
      const hint = "see that EXAI_TLS_CERT and EXAI_TLS_KEY belong together";
      throw new ExaiError("CONFIG", `cannot listen with TLS: ${messageOf(thrown)}; ${hint}`, {
        cause: thrown,
      });
    }
  }

  async #openSocket(options: ListenersOptions): Promise<void> {
    const { settings, paths, handler, handles, onChange } = options;
    if (settings.socket === "off") return;
    try {
      if (Deno.build.os === "windows") return await this.#openPipe(options);
      const location = settings.socket === "auto"
        ? shortSocket(paths)
        : { path: settings.socket, lockPath: settings.socket + ".lock" };
      const file = this.#files.use(await SocketFile.claim(location));
      this.#listeners.push(new DenoListener({ path: file.path, handler, handles, onChange }));
      this.socket = file.path;
    } catch (thrown) {
      if (settings.socket !== "auto") throw thrown;
      // A socket that the settings do not name is optional.
      log.warning("{why}; shims use {url}", { why: messageOf(thrown), url: this.url });
    }
  }

  /** A named pipe of this user: the socket of Windows. */
  async #openPipe({ settings: { socket }, paths, handler }: ListenersOptions): Promise<void> {
    const { NodeListener } = await import("./node_listener.ts");
    const path = socket === "auto" ? `\\\\.\\pipe\\exai-${fnv1a(paths.home)}` : socket;
    this.#listeners.push(await NodeListener.listen({ path, handler }));
    this.socket = path;
  }
}

/**
 * The socket in the state directory or, when its path would be too long, in `XDG_RUNTIME_DIR` under a hash of it.
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
