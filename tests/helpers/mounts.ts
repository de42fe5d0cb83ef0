import { removeHome } from "./files.ts";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { testDaemon, type TestDaemonOptions } from "./daemon.ts";
import { HeldTimers } from "./held_timers.ts";

const badServer = fromFileUrl(new URL("../fixtures/bad_server.ts", import.meta.url));

/** The entry of mcp.json for the fixture that misbehaves as `mode` says. */
export function bad(mode: string, more: JsonObject = {}): JsonObject {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", badServer, mode],
    share: "machine",
    ...more,
  };
}

const askingServer = fromFileUrl(new URL("../fixtures/asking_server.ts", import.meta.url));

/** The entry of mcp.json for the fixture that needs others to go on. */
export function asking(mode: string[] = [], more: JsonObject = {}): JsonObject {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", askingServer, ...mode],
    share: "machine",
    ...more,
  };
}

/** The entry of mcp.json for an npm package that is an MCP server. */
export function npmServer(name: string, args: string[] = [], env: Record<string, string> = {}): JsonObject {
  const specifier = `npm:@modelcontextprotocol/server-${name}@2026.8.31`;
  // The daemon does not hand its own environment on, so the cache is named.
  const cache = Deno.env.get("DENO_DIR");
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--quiet", specifier, ...args],
    env: cache ? { DENO_DIR: cache, ...env } : env,
    share: "machine",
  };
}

/**
 * Keeps daemons that are started while it is there from starting servers only to read their lists, which they do
 * 200 ms later.
 */
export function heldReads(): HeldTimers {
  return new HeldTimers(200);
}

/** A daemon of this process whose mcp.json names `servers`. */
export async function mountingDaemon(
  servers: Record<string, JsonObject>,
  settings: TestDaemonOptions["settings"] = {},
  /** Servers beside those of mcp.json. */
  others: TestDaemonOptions["servers"] = undefined,
) {
  const home = await Deno.makeTempDir({ prefix: "exai-mounts-" });
  await Deno.chmod(home, 0o700);
  // The program makes it when it starts; a shim would make it too late for a server that is started at once.
  await Deno.mkdir(`${home}/logs`, { mode: 0o700 });
  const config = `${home}/mcp.json`;
  const write = (servers: Record<string, JsonObject>) =>
    Deno.writeTextFile(config, JSON.stringify({ mcpServers: servers }));
  await write(servers);
  const it = await testDaemon({ settings: { globalMaxInflight: 100, ...settings, home }, servers: others });
  const reload = async (): Promise<JsonObject> =>
    await (await fetch(new URL("/reload", it.http), { method: "POST" })).json();
  return {
    ...it,
    /** Path of mcp.json. */
    config,
    /** Puts other servers in the file. */
    write,
    /** Has the file read. */
    reload,
    /** Puts other servers in the file and has them read. */
    async remount(servers: Record<string, JsonObject>): Promise<JsonObject> {
      await write(servers);
      return await reload();
    },
    /** What `exai-daemon ps` shows of the servers. */
    async status(): Promise<JsonObject[]> {
      return (await (await fetch(new URL("/status", it.http))).json()).servers;
    },
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await removeHome(home);
    },
  };
}
