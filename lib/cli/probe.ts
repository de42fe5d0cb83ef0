import { isObject } from "../base/json.ts";
import { VERSION } from "../base/version.ts";
import type { ClientTls } from "../config/tls.ts";

/** What answers at an address. */
export type Probed =
  | { kind: "exai"; version?: string; pid?: number }
  | { kind: "stranger" }
  | { kind: "nobody" };

export interface ProbeOptions {
  token?: string;
  timeoutMs: number;
  /** Path of a Unix socket to ask through. */
  socket?: string;
  /** For `wss:`. */
  tls?: ClientTls;
}

/** Asks whoever listens at `url` (`ws://host:port/`) whether it is an EXAI daemon: only its own answer is proof. */
export async function probe(url: string, options: ProbeOptions): Promise<Probed> {
  using client = clientFor(options);
  return await ask(client ? new WebSocket(url, { client }) : new WebSocket(url), options);
}

function clientFor({ socket, tls }: ProbeOptions): Deno.HttpClient | undefined {
  if (socket) return Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  return tls && Deno.createHttpClient(tls as Deno.CreateHttpClientOptions);
}

function ask(socket: WebSocket, options: ProbeOptions): Promise<Probed> {
  const { promise, resolve } = Promise.withResolvers<Probed>();
  let opened = false;
  const finish = (probed: Probed) => {
    clearTimeout(timer);
    resolve(probed);
    socket.onclose = socket.onerror = null;
    if (socket.readyState <= WebSocket.OPEN) socket.close();
  };
  const timer = setTimeout(() => finish({ kind: "stranger" }), options.timeoutMs);
  socket.onopen = () => {
    opened = true;
    const client = { name: "exai-probe", version: VERSION };
    socket.send(JSON.stringify({ op: "hello", client, ...(options.token ? { token: options.token } : {}) }));
  };
  socket.onmessage = (event) => finish(readAck(event.data));
  socket.onclose = () => finish({ kind: opened ? "stranger" : "nobody" });
  socket.onerror = (event) => {
    const refused = /refused|tcp connect error/i.test((event as ErrorEvent).message ?? "");
    finish({ kind: refused ? "nobody" : "stranger" });
  };
  return promise;
}

function readAck(data: unknown): Probed {
  try {
    const frame: unknown = JSON.parse(String(data));
    if (!isObject(frame) || frame.op !== "hello_ack") return { kind: "stranger" };
    const daemon = isObject(frame.daemon) ? frame.daemon : {};
    return {
      kind: "exai",
      version: daemon.version as string | undefined,
      pid: daemon.pid as number | undefined,
    };
  } catch {
    return { kind: "stranger" };
  }
}
