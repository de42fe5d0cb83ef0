import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { pathOf } from "../lib/adopt/find.ts";
import { throughInterop } from "../lib/adopt/interop.ts";
import { type Door, reachOf } from "../lib/adopt/shim_entry.ts";
import { placesOf } from "../lib/config/client_places.ts";
import { SHIM, TestUser } from "./helpers/adoption.ts";

const FILES = { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"] };
const MEMORY = { command: "npx", args: ["-y", "@modelcontextprotocol/server-memory"] };
const CURSOR = "{home}/.cursor/mcp.json";

const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
const servers = (entries: Record<string, unknown>) => json({ mcpServers: entries });

async function imported(user: TestUser): Promise<Record<string, JsonObject>> {
  return JSON.parse(await Deno.readTextFile(user.mcp)).mcpServers;
}

Deno.test("the places of clients are those of each system", () => {
  const windows = placesOf({
    USERPROFILE: "C:\\Users\\Jörg Müller",
    APPDATA: "C:\\Users\\Jörg Müller\\AppData\\Roaming",
    LOCALAPPDATA: "D:\\Local",
  }, "windows");
  assertEquals([windows.home, windows.data, windows.local], [
    "C:\\Users\\Jörg Müller",
    "C:\\Users\\Jörg Müller\\AppData\\Roaming",
    "D:\\Local",
  ]);
  const mac = placesOf({ HOME: "/Users/me" }, "darwin");
  assertEquals(pathOf("{data}/Claude/x.json", mac), "/Users/me/Library/Application Support/Claude/x.json");
  assertEquals(pathOf("{config}/zed/settings.json", mac), "/Users/me/.config/zed/settings.json");
  const linux = placesOf({
    HOME: "/home/me",
    XDG_CONFIG_HOME: "/cfg",
    CLAUDE_CONFIG_DIR: "/c",
    CODEX_HOME: "/x",
  }, "linux");
  assertEquals([linux.data, linux.claudeState, linux.claude, linux.codex, linux.opencode], [
    "/cfg",
    "/c/.claude.json",
    "/c",
    "/x",
    "/cfg/opencode",
  ]);
});

for (const system of ["darwin", "windows"] as const) {
  Deno.test(`files are found where clients have them on ${system}`, async () => {
    await using user = await TestUser.create(system);
    await user.write("{data}/Claude/claude_desktop_config.json", servers({ files: FILES }));
    await user.write("{data}/Code/User/mcp.json", json({ servers: { memory: MEMORY } }));
    if (system === "windows") {
      await user.write("{data}/Zed/settings.json", json({ context_servers: { z: { command: "z" } } }));
      const store =
        "{local}/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";
      await user.write(store, servers({ s: { command: "s" } }));
    }
    const { plan } = await user.adopt();
    const names = system === "windows" ? ["files", "s", "memory", "z"] : ["files", "memory"];
    assertEquals(plan.servers.map(({ name }) => name), names);
    await user.undo();
  });
}

Deno.test("the Windows side of WSL is named, and changed when its home is given", async () => {
  await using user = await TestUser.create();
  const home = join(user.dir, "windows", "me");
  await Deno.mkdir(join(home, ".cursor"), { recursive: true });
  const entries = {
    tokens: { command: "npx", args: ["-y", "x"], env: { TOKEN: "t" } },
    tool: { command: "C:\\Program Files\\T\\t.exe", args: ["C:\\data"] },
  };
  await Deno.writeTextFile(join(home, ".cursor/mcp.json"), servers(entries));
  const named = await user.prepare({ otherWindowsHomes: [home] });
  assertEquals(named.plan.files, []);
  assertStringIncludes(named.plan.left[0]!.reason, `--windows-home=${home}`);
  const door: Door = {
    kind: "shim",
    command: "wsl.exe",
    args: ["-d", "Debian", "--exec", SHIM.command],
    env: {},
  };
  await user.adopt({
    windowsHomes: [home],
    shims: { own: SHIM, windows: door },
    doors: { own: SHIM, windows: door },
  });
  assertEquals(await imported(user), {
    tokens: {
      command: "cmd.exe",
      args: ["/d", "/c", "npx", "-y", "x"],
      env: { TOKEN: "t", WSLENV: "TOKEN/w" },
    },
    tool: { command: "/mnt/c/Program Files/T/t.exe", args: ["C:\\data"] },
  });
  const cursor = JSON.parse(await Deno.readTextFile(join(home, ".cursor/mcp.json")));
  assertEquals(cursor.mcpServers, { exai: { command: "wsl.exe", args: door.args } });
  assertEquals(throughInterop({ command: "wsl", args: ["-d", "Debian", "--", "uvx", "y"] }), {
    command: "uvx",
    args: ["y"],
  });
});

Deno.test("each client gets the keys it reads, for the shim and for the daemon's address", () => {
  const http: Door = { kind: "http", url: "http://127.0.0.1:8765/mcp" };
  assertEquals(reachOf("plain", SHIM, "a"), { command: SHIM.command, args: ["--server=a"] });
  assertEquals(reachOf("typed", http), { type: "http", url: http.url });
  assertEquals(reachOf("opencode", SHIM), { type: "local", command: [SHIM.command] });
  assertEquals(reachOf("opencode", http, "a"), { type: "remote", url: `${http.url}/a` });
  assertEquals(reachOf("windsurf", http), { serverUrl: http.url });
  assertEquals(reachOf("gemini", http), { httpUrl: http.url });
  assertEquals(reachOf("copilot", SHIM), { type: "local", command: SHIM.command, args: [] });
  assertEquals(reachOf("goose", http), { type: "streamable_http", uri: http.url });
});

Deno.test("with --http, a client whose file takes no URL gets the shim", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, servers({ files: FILES }));
  await user.write("{data}/Claude/claude_desktop_config.json", servers({ files: FILES }));
  const door: Door = { kind: "http", url: "http://127.0.0.1:8765/mcp" };
  await user.adopt({ doors: { own: door, windows: door } });
  assertEquals(JSON.parse(await user.read(CURSOR)).mcpServers.exai, { url: door.url });
  const desktop = JSON.parse(await user.read("{data}/Claude/claude_desktop_config.json"));
  assertEquals(desktop.mcpServers.exai.command, SHIM.command);
});
