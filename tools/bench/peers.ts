import { delay } from "@std/async/delay";
import { tempDir } from "../lib/held.ts";
import { type Command, Spawned } from "../lib/spawned.ts";
import type { Entries } from "./install.ts";
import { ECHO, openStdioWindow } from "./stdio_window.ts";
import type { Shape, Subject } from "./subject.ts";
import { freePort } from "../lib/free_port.ts";

const LISTEN_MS = 30_000;
const POLL_MS = 20;

const NODE = "node";

/** The server that all peers share. */
export function everythingServer(entryOf: Entries): Command {
  return { command: NODE, args: [entryOf("@modelcontextprotocol/server-everything"), "stdio"] };
}

/** A server for each window and nothing between: as it is without EXAI. */
export function directSubject(entryOf: Entries, shapes: readonly Shape[]): Subject {
  return {
    name: "direct stdio",
    role: "direct",
    shapes,
    hasWindows: true,
    open: (server = everythingServer(entryOf)) =>
      Promise.resolve({
        roots: [],
        window: server,
        openWindow: () => openStdioWindow(server, ECHO),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
}

/** `mcp-proxy` before one server for all windows, `mcp-remote` in each window. */
export function mcpRemoteSubject(entryOf: Entries, shapes: readonly Shape[]): Subject {
  return bridgeSubject("mcp-remote + mcp-proxy", { shapes, server: everythingServer(entryOf) }, {
    shared({ command, args }, port) {
      const own = ["--host", "127.0.0.1", "--port", String(port), "--server", "stream"];
      return { command: NODE, args: [entryOf("mcp-proxy"), ...own, "--", command, ...args] };
    },
    window(url, home) {
      const flags = ["--transport", "http-only", "--allow-http", "--silent"];
      const env = { MCP_REMOTE_CONFIG_DIR: home };
      return { command: NODE, args: [entryOf("mcp-remote"), url, ...flags], env };
    },
  });
}

/** `supergateway` on both sides. It runs a server for each session. */
export function supergatewaySubject(entryOf: Entries, shapes: readonly Shape[]): Subject {
  const entry = entryOf("supergateway");
  return bridgeSubject("supergateway pair", { shapes, server: everythingServer(entryOf) }, {
    shared({ command, args }, port) {
      const how = ["--outputTransport", "streamableHttp", "--stateful", "--logLevel", "none"];
      const stdio = [command, ...args].join(" ");
      return { command: NODE, args: [entry, "--stdio", stdio, "--port", String(port), ...how] };
    },
    window: (url) => ({
      command: NODE,
      args: [entry, "--streamableHttp", url, "--outputTransport", "stdio", "--logLevel", "none"],
    }),
  });
}

interface Bridge {
  /** Serves `server` at `/mcp` on `port`. */
  shared(server: Command, port: number): Command;
  /** Connects one window to `url`; `home` is a directory for what it keeps. */
  window(url: string, home: string): Command;
}

function bridgeSubject(
  name: string,
  options: { shapes: readonly Shape[]; server: Command },
  bridge: Bridge,
): Subject {
  return {
    name,
    role: "peer",
    shapes: options.shapes,
    hasWindows: true,
    async open(server = options.server) {
      const port = freePort();
      const home = await tempDir("exai-bench-");
      const shared = new Spawned(bridge.shared(server, port));
      await listening(port, shared);
      const window = bridge.window(`http://127.0.0.1:${port}/mcp`, home);
      return {
        roots: [shared.pid],
        window,
        openWindow: () => openStdioWindow(window, ECHO),
        [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose](),
      };
    },
  };
}

async function listening(port: number, server: Spawned): Promise<void> {
  let ended: string | undefined;
  server.exited.then((how) => ended = how);
  const untilMs = performance.now() + LISTEN_MS;
  while (performance.now() < untilMs && ended === undefined) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await delay(POLL_MS);
    }
  }
  throw new Error(`nothing listens on port ${port}: ${ended ?? "it took too long"}${server.lastWords}`);
}
