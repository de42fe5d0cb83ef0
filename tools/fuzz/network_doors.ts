import { defaultSettings } from "../../lib/config/load.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { Daemon } from "../../lib/cli/daemon.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { type Door, Expected, type OpenDoor, parse, until, Violation } from "./door.ts";

/** A whole daemon through a real WebSocket. */
export const SOCKET_DOOR: Door = {
  name: "websocket",
  share: 0.005,
  open: () => openDaemon((daemon) => ({ batch: (frames) => overSocket(daemon.url, frames) })),
};

/** A whole daemon through Streamable HTTP, one request for each frame. */
export const HTTP_DOOR: Door = {
  name: "http",
  share: 0.002,
  open: () =>
    openDaemon((daemon) => ({
      batch: (frames) => overHttp(new URL("/mcp", daemon.url.replace(/^ws/, "http")), frames),
    })),
};

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "fuzz", version: "1" },
};

async function openDaemon(make: (daemon: Daemon) => Pick<OpenDoor, "batch">): Promise<OpenDoor> {
  const home = await Deno.makeTempDir({ prefix: "exai-fuzz-" });
  const settings = defaultSettings({ port: 0, drainTimeoutMs: 0, home, queueMax: 10_000 });
  const daemon = await Daemon.start({ settings, paths: statePaths(settings) });
  return {
    ...make(daemon),
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await Deno.remove(home, { recursive: true });
    },
  };
}

async function overSocket(url: string, frames: readonly string[]): Promise<void> {
  const socket = new WebSocket(url);
  const expected = new Expected({ opsToo: true });
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let end: string | undefined;
  socket.onopen = () => opened.resolve();
  socket.onclose = ({ code, reason }) => {
    end = `${code} ${reason}`;
    opened.reject(new Violation(`not let in: ${end}`));
    closed.resolve();
  };
  socket.onmessage = ({ data }) => {
    const message = parse(data) as JsonObject | undefined;
    if (message?.jsonrpc !== undefined && message.method === undefined) expected.got(message.id);
  };
  await opened.promise;
  const send = (text: string) => {
    // What goes over a socket is well-formed; what was not is by then.
    expected.sent(parse(text.toWellFormed()));
    socket.send(text);
  };
  send(JSON.stringify({ op: "hello", client: "fuzz" }));
  for (const frame of frames) send(frame);
  send(JSON.stringify({ jsonrpc: "2.0", id: "the last ping", method: "ping" }));
  await until(() => expected.isMet || end !== undefined);
  if (end !== undefined) throw new Violation(`the connection was ended: ${end}`);
  expected.check();
  socket.close();
  await closed.promise;
}

async function overHttp(url: URL, frames: readonly string[]): Promise<void> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2025-11-25",
  };
  const post = (body: string) => fetch(url, { method: "POST", headers, body });
  const first = await post(
    JSON.stringify({ jsonrpc: "2.0", id: "first", method: "initialize", params: INITIALIZE }),
  );
  await first.text();
  headers["mcp-session-id"] = first.headers.get("mcp-session-id") ?? "";
  for (const frame of frames) {
    const response = await post(frame);
    const text = await response.text();
    if (response.status >= 500) throw new Violation(`${response.status} to ${frame}: ${text.slice(0, 200)}`);
  }
  const last = await (await post(JSON.stringify({ jsonrpc: "2.0", id: "last", method: "ping" }))).text();
  if (!last.includes('"last"')) throw new Violation(`a ping had no answer but ${last.slice(0, 200)}`);
  await (await fetch(url, { method: "DELETE", headers })).body?.cancel();
}
