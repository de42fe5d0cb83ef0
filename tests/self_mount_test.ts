import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { assertNoLoop, parseVia } from "../lib/wire/via.ts";
import { formatFault, readServers } from "../lib/config/servers.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sdkClient } from "./helpers/sdk_client.ts";
import { until } from "./helpers/until.ts";

const SHIM = fromFileUrl(new URL("../shim.ts", import.meta.url));
const DAEMON = fromFileUrl(new URL("../daemon.ts", import.meta.url));

async function faultsOf(entries: Record<string, JsonObject>, dir: string, ownPort?: number) {
  const path = `${dir}/mcp.json`;
  await Deno.writeTextFile(path, JSON.stringify({ mcpServers: entries }));
  const file = await readServers(path, {
    env: { HOME: dir, PATH: `${dir}/bin:${Deno.env.get("PATH")}` },
    ownPort,
  });
  return new Map(file.faults.map((fault) => [fault.server, formatFault(fault)]));
}

async function withDir(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "exai-self-" });
  try {
    await Deno.mkdir(`${dir}/bin`);
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Ways people, installers and editors write one and the same program. */
const SPELLINGS: [string, ...string[]][] = [
  ["exai-shim"],
  ["exai-daemon"],
  ["EXAI-Shim.exe"],
  ["/opt/exai/exai-shim"],
  ["C:\\Program Files\\EXAI\\exai-shim.exe", "--server=x"],
  ["npx", "-y", "exai-shim"],
  ["npx", "-y", "exai-shim@latest"],
  ["npx", "--package", "exai", "exai-shim"],
  ["npx", "--package=exai", "exai-shim"],
  ["npx", "-c", "exai-shim --server=x"],
  ["bunx", "exai-shim"],
  ["pnpm", "dlx", "exai-shim"],
  ["deno", "run", "-A", "npm:exai-shim"],
  ["deno", "run", "-A", SHIM],
  ["deno", "run", "--allow-net", "--no-check", DAEMON],
  [Deno.execPath(), "run", "-A", SHIM],
  ["env", "A=b", "exai-shim"],
  ["env", "-u", "HOME", "A=b", "exai-shim"],
  ["env", "-S", "exai-shim --x"],
  ["/usr/bin/env", "-i", "exai-shim"],
  ["cmd", "/c", "exai-shim"],
  ["cmd.exe", "/d", "/s", "/c", "C:\\exai\\exai-shim.exe --server=x"],
  ["powershell", "-NoProfile", "-Command", "exai-shim"],
  ["sh", "-c", "cd /tmp && exec exai-shim --server=x"],
  ["bash", "-lc", "export A=1; 'exai-shim'"],
  ["bash", "-c", "A=1 exai-shim | tee log"],
  ["sudo", "-u", "me", "nice", "-n", "5", "exai-shim"],
  ["timeout", "60s", "exai-shim"],
  ["wsl", "exai-shim"],
  ["wsl", "-d", "Ubuntu", "--", "exai-shim"],
];

Deno.test("an entry that starts one of our own programs is refused by name, however it is written", async () => {
  await withDir(async (dir) => {
    const entries = SPELLINGS.map(([command, ...args], i) => [`s${i}`, { command, args }]);
    const faults = await faultsOf(Object.fromEntries(entries), dir);
    for (const [i, words] of SPELLINGS.entries()) {
      const fault = faults.get(`s${i}`) ?? "";
      assertStringIncludes(fault, "mount itself", words.join(" "));
      assertStringIncludes(fault, "take this entry out");
    }
  });
});

Deno.test("a link to one of our programs, and a script that starts it, are found out", async () => {
  await withDir(async (dir) => {
    await Deno.writeTextFile(`${dir}/exai-shim`, "binary");
    await Deno.symlink(`${dir}/exai-shim`, `${dir}/bin/tools`);
    await Deno.symlink(SHIM, `${dir}/window.ts`);
    await Deno.writeTextFile(`${dir}/bin/start-tools`, '#!/bin/sh\n# the tools\nexec "exai-shim" "$@"\n', {
      mode: 0o755,
    });
    await Deno.writeTextFile(`${dir}/bin/outer`, `#!/usr/bin/env bash\nstart-tools\n`, { mode: 0o755 });
    const faults = await faultsOf({
      link: { command: "tools" },
      path: { command: `${dir}/bin/tools` },
      source: { command: "deno", args: ["run", "-A", `${dir}/window.ts`] },
      script: { command: "start-tools" },
      outer: { command: "bash", args: [`${dir}/bin/outer`] },
    }, dir);
    assertEquals([...faults.keys()].sort(), ["link", "outer", "path", "script", "source"]);
  });
});

Deno.test("a server that only works on a directory of our name is mounted", async () => {
  await withDir(async (dir) => {
    await Deno.mkdir(`${dir}/exai-shim`);
    await Deno.mkdir(`${dir}/bin/exai-daemon`);
    await Deno.mkdir(`${dir}/theirs`);
    await Deno.writeTextFile(`${dir}/theirs/shim.ts`, "");
    const faults = await faultsOf({
      files: { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", `${dir}/exai-shim`] },
      git: { command: "uvx", args: ["mcp-server-git", "--repository", `${dir}/bin/exai-daemon`] },
      other: { command: "deno", args: ["run", "-A", `${dir}/theirs/shim.ts`] },
      talks: { command: "node", args: ["server.js", "--about", "exai-shim"] },
      cwd: { command: "node", args: ["server.js"], cwd: `${dir}/exai-shim` },
    }, dir);
    assertEquals([...faults.values()], []);
  });
});

Deno.test("a recorded session that EXAI plays back is mounted", async () => {
  await withDir(async (dir) => {
    const faults = await faultsOf({
      installed: { command: "exai-daemon", args: ["replay", "one.ndjson"] },
      source: {
        command: "deno",
        args: ["run", "-A", SHIM.replace(/shim\.ts$/, "daemon.ts"), "replay", "one.ndjson"],
      },
      flags: { command: "/opt/exai/exai-daemon", args: ["--log-level=debug", "replay", "one.ndjson"] },
      other: { command: "exai-daemon", args: ["status", "replay"] },
    }, dir);
    assertEquals([...faults.keys()], ["other"]);
  });
});

Deno.test("an entry with the daemon's own address is refused by name", async () => {
  await withDir(async (dir) => {
    const urls = [
      "localhost:8765/mcp",
      "127.0.0.1:8765/",
      "127.1.2.3:8765",
      "[::1]:8765/mcp/x",
      "LOCALHOST.:8765/mcp",
    ];
    const own = Object.fromEntries(urls.map((url, i) => [`u${i}`, { url: `http://${url}` }]));
    const faults = await faultsOf(
      {
        ...own,
        port: { url: "http://localhost:8766/mcp" },
        host: { url: "http://example.com:8765/mcp" },
      },
      dir,
      8765,
    );
    assertEquals([...faults.keys()], urls.map((_, i) => `u${i}`));
    for (const fault of faults.values()) assertStringIncludes(fault, "address of this daemon");
  });
});

Deno.test("an entry that bridges to the daemon's own address is refused by name", async () => {
  await withDir(async (dir) => {
    const entries = {
      remote: { command: "npx", args: ["-y", "mcp-remote", "http://127.0.0.1:8765/mcp"] },
      flag: { command: "mcp-proxy", args: ["--url=http://LOCALHOST:8765/mcp/files?x=1"] },
      socket: { command: "supergateway", args: ["--ws", "ws://[::1]:8765"] },
      shell: { command: "sh", args: ["-c", "exec mcp-remote 'http://localhost:8765/mcp' --debug"] },
      env: { command: "bridge", env: { MCP_URL: "http://127.0.0.1:8765/mcp/" } },
    };
    const faults = await faultsOf(entries, dir, 8765);
    assertEquals([...faults.keys()].sort(), Object.keys(entries).sort());
    for (const fault of faults.values()) {
      assertStringIncludes(fault, "names the address of this daemon: EXAI would mount itself");
    }
    const others = {
      port: { command: "mcp-remote", args: ["http://127.0.0.1:9000/mcp"] },
      host: { command: "mcp-remote", args: ["https://example.com:8765/mcp"] },
      health: { command: "monitor", args: ["http://127.0.0.1:8765/health", "8765"] },
    };
    assertEquals((await faultsOf(others, dir, 8765)).size, 0);
    assertEquals((await faultsOf(entries, dir)).size, 0, "where the daemon's port is not known");
  });
});

Deno.test("a program that hides the shim below the daemon is turned away when it connects, and the rest goes on", async () => {
  await using it = await mountingDaemon({});
  await Deno.writeTextFile(
    `${it.home}/hides.sh`,
    `#!/bin/sh\nx=shim\nexec "${Deno.execPath()}" run -A --no-check "\${1%SHIM}$x.ts"\n`,
  );
  const env = {
    EXAI_HOME: it.home,
    EXAI_WS_PORT: new URL(it.url).port,
    EXAI_WS_AUTOSTART: "false",
    ENV_FILE: "",
    DENO_DIR: Deno.env.get("DENO_DIR") ?? null,
  };
  const dir = SHIM.slice(0, -"shim.ts".length);
  await it.remount({ loop: { command: "sh", args: [`${it.home}/hides.sh`, dir], env } });
  await using client = await sdkClient(it.url);
  const { tools } = await client.listTools();
  assertEquals(tools.filter(({ name }) => name.includes("version")).length, 1);
  // The list does not wait for it.
  const error = await until("it is refused", async () => (await it.status())[0]!.last_error);
  assertStringIncludes(String(error), "mounted in itself");
});

Deno.test("a daemon that is given its own address by another name refuses itself", async () => {
  await using it = await mountingDaemon({});
  await it.remount({ me: { url: new URL("/mcp", it.http).href } });
  await using client = await sdkClient(it.url);
  const { tools } = await client.listTools();
  assertEquals(tools.filter(({ name }) => name.includes("version")).length, 1);
  const error = await until("it is refused", async () => {
    const [row] = await it.status();
    return row!.last_error ?? row!.cause;
  });
  // Refused when the file is read, or when it is connected to, as far as the address is known.
  assertMatch(String(error), /mounted in itself|mount itself/);
});

Deno.test("daemons that mount one another in a ring each show the others' tools, and come to rest", async () => {
  await using a = await mountingDaemon({});
  await using b = await mountingDaemon({});
  await using c = await mountingDaemon({ a: { url: new URL("/mcp", a.http).href } });
  await b.remount({ c: { url: new URL("/mcp", c.http).href } });
  await a.remount({ b: { url: new URL("/mcp", b.http).href } });
  const client = await RawClient.connect(a.url, ["mcp"]);
  const list = async (id: number) => {
    client.send({ jsonrpc: "2.0", id, method: "tools/list" });
    const { result } = await client.nextWhere((frame) => frame.id === id);
    const tools = (result as JsonObject).tools as JsonObject[];
    const count = tools.filter(({ name }) => /version/.test(String(name))).length;
    assert(count >= 1 && count <= 3, String(count));
    return count;
  };
  client.send({
    jsonrpc: "2.0",
    id: 0,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  });
  await client.nextWhere((frame) => frame.id === 0);
  let changes = 0;
  client.socket.addEventListener("message", ({ data }) => changes += /list_changed/.test(data) ? 1 : 0);
  let id = 1;
  await until("all three are shown", async () => await list(id++) === 3 || undefined);
  assertEquals(await list(id), 3);
  assert(changes < 50, `${changes} changes`);
  await client.close();
});

Deno.test("the marker of a chain of daemons is bounded and believed only where it can be", async () => {
  assertEquals(parseVia(" a ,b,,c d,\u001b[0m,x"), ["a", "b", "x"]);
  assertEquals(parseVia("x".repeat(5000)), []);
  assertNoLoop(["a", "b"], "c");
  for (const via of [["a", "me"], ["a", "b", "c", "d", "e"]]) {
    try {
      assertNoLoop(via, "me");
      assert(false, via.join());
    } catch (thrown) {
      assertStringIncludes(String(thrown), "mcp.json");
    }
  }
  await using it = await testDaemon();
  const response = await fetch(new URL("/mcp", it.http), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "x-exai-via": "a,b,c,d,e",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
    }),
  });
  assertEquals(response.status, 403);
  assertStringIncludes(await response.text(), "one behind the other");
});
