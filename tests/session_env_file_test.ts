import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { withEnvFile } from "../lib/config/session_env_file.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";
import { commandIn, readOne } from "./helpers/read_servers.ts";
import { twoWorkspaces } from "./helpers/two_workspaces.ts";

const WHERE = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("./fixtures/where_server.ts", import.meta.url))],
  envFile: "${workspaceFolder}/.env",
  env: { OWN: "own" },
};

Deno.test("an envFile in the workspace is read for each window's directory, and env goes before it", async () => {
  await using at = await twoWorkspaces();
  await Deno.writeTextFile(`${at.p}/.env`, "\uFEFFFIRST=p\nKEY='${workspaceFolder} $x'\nOWN=file\n");
  await Deno.writeTextFile(`${at.q}/.env`, "FIRST=q\n");
  await using it = await mountingDaemon({ where: WHERE });
  const asked = async (cwd: string) => {
    using client = await RawClient.hello(it.url, { cwd });
    const answer = firstText(await client.call("where", { variables: ["FIRST", "KEY", "OWN"] }));
    const process = firstText(await client.call("where"));
    await client.close();
    return { answer, process };
  };
  const [p, again, q] = [await asked(at.p), await asked(at.link), await asked(at.q)];
  assertEquals([p.answer, q.answer], ["p ${workspaceFolder} $x own", "q - own"]);
  assertEquals(p.process, again.process, "windows of one directory share a process");
  assert(p.process !== q.process);
  await Deno.writeTextFile(`${at.p}/.env`, "FIRST=changed\n");
  assertEquals((await asked(at.p)).answer, "changed - own");
});

Deno.test("a server with an envFile in the workspace is not started for a window without a directory", async () => {
  await using it = await mountingDaemon({ where: WHERE });
  using client = await RawClient.hello(it.url, { cwd: "/" });
  const { error } = await client.call("where");
  assertStringIncludes(JSON.stringify(error), "uses ${workspaceFolder} in mcp.json");
  await client.close();
});

Deno.test("a workspace without that file has none of its variables; one that cannot be used is named", async () => {
  await using at = await twoWorkspaces();
  await Deno.mkdir(`${at.q}/.env`);
  await using it = await mountingDaemon({ where: WHERE });
  using without = await RawClient.hello(it.url, { cwd: at.p });
  assertEquals(firstText(await without.call("where", { variables: ["FIRST", "OWN"] })), "- own");
  using wrong = await RawClient.hello(it.url, { cwd: at.q });
  const { error } = await wrong.call("where");
  assertStringIncludes(JSON.stringify(error), "/q/.env cannot be read: it is a directory");
  await Promise.all([without.close(), wrong.close()]);
});

Deno.test("a file of a workspace sets nothing that has a program run other code", async () => {
  await using at = await twoWorkspaces();
  const refused = [
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "Path",
    "PYTHONPATH",
    "npm_config_registry",
    "HTTPS_PROXY",
    "HOME",
  ];
  const text = [...refused.map((name) => `${name}=/evil`), "API_KEY=k"].join("\n");
  await Deno.writeTextFile(`${at.p}/.env`, text);
  const { envFile, args } = WHERE;
  const file = await readOne({ command: "c", args, envFile });
  assertEquals(commandIn(file).envFile, "/work/shop/.env");
  using log = new CapturedLog();
  const filled = await withEnvFile(file.servers.get("s")!, { workspace: at.p, folders: [] });
  assertEquals(filled.kind === "stdio" && filled.env, { API_KEY: "k" });
  const [warning = ""] = log.take();
  assertStringIncludes(warning, `${at.p}/.env sets ${refused.join(", ")}, which are left out`);
});
