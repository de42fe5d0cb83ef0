import { assertEquals, assertStringIncludes } from "@std/assert";
import { FakeDesktop } from "../helpers/fake_desktop.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { until } from "../helpers/until.ts";

const SERVER = { command: Deno.execPath(), args: ["eval", "0"], env: { TOKEN: "${secret:token}" } };

Deno.test("a daemon asks a locked keychain once, and again when a person commands something", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using desktop = await FakeDesktop.open();
  await using home = await tempDir({ "mcp.json": JSON.stringify({ mcpServers: { needy: SERVER } }) });
  await Deno.chmod(home.path, 0o700);
  const { env } = desktop;
  await runDaemon({ home: home.path, args: ["secret", "set", "token"], env, input: "first-value" });
  await desktop.lock();
  const before = await desktop.asked();
  await using daemon = await startDaemon({ home: home.path, env });
  const ask = async (path: string, method = "GET") =>
    await (await fetch(new URL(path, daemon.url.replace("ws", "http")), { method })).text();
  const isLocked = async () => (await ask("/status")).includes("it is locked; unlock it") || undefined;
  await until("the fault is said", isLocked);
  assertStringIncludes(await ask("/status"), "then run exai-daemon reload");
  assertEquals(await desktop.asked() - before, 1);
  assertStringIncludes(await ask("/reload", "POST"), "it is locked");
  assertEquals(await desktop.asked() - before, 2, "once more for all that is read again");
  await desktop.unlock();
  await ask("/auth?by=program");
  assertEquals([await isLocked(), await desktop.asked() - before], [true, 2], "nothing asks by itself");
  await ask("/auth?by=person");
  await until("the entry is read again", async () => !await isLocked() || undefined);
  assertEquals(await desktop.asked() - before, 3);
});

Deno.test("the process that renews tokens opens the vault with the key that its daemon has", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using desktop = await FakeDesktop.open();
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const run = (args: string[], input: string) =>
    runDaemon({ home: home.path, args, env: desktop.env, input });
  await run(["secret", "set", "token"], "first-value");
  await desktop.lock();
  const before = await desktop.asked();
  const id = { resource: "https://far.example/mcp", name: "default" };
  const request = { number: 1, keys: [await desktop.item()], id, seen: "" };
  const { stdout } = await run(["auth", "refresh"], JSON.stringify(request));
  assertStringIncludes(stdout, "it was signed out");
  assertEquals(await desktop.asked(), before);
});
