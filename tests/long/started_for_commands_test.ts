import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { killDaemon, runDaemon } from "../helpers/program.ts";
import { tempDir } from "../helpers/files.ts";

const fixture = fromFileUrl(new URL("../fixtures/scripted_server.ts", import.meta.url));

/** A home whose daemon, started by a command, ends with the test; `run` is the program as it is typed. */
async function home() {
  const dir = await tempDir({});
  const env = { EXAI_WS_AUTOSTART: "true", DENO_DIR: Deno.env.get("DENO_DIR") ?? "" };
  const run = (...args: string[]) => runDaemon({ home: dir.path, args, env });
  return {
    path: dir.path,
    run,
    async [Symbol.asyncDispose]() {
      const text = await Deno.readTextFile(`${dir.path}/daemon.json`).catch(() => undefined);
      if (text !== undefined) await killDaemon(JSON.parse(text));
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("from nothing: a server is added, tested, called and removed, and the daemon starts when it is needed", async () => {
  await using it = await home();
  const script = JSON.stringify({
    "tools/list": { tools: [{ name: "say", inputSchema: { type: "object" } }] },
  });
  const added = await it.run(
    "servers",
    "add",
    "mine",
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    fixture,
    script,
  );
  assertEquals([added.code, added.stderr], [0, ""]);
  assertStringIncludes(added.stdout, "The next daemon has it.");
  assertEquals(
    await Deno.stat(`${it.path}/daemon.json`).catch(() => "none"),
    "none",
    "adding starts nothing",
  );

  const tested = await it.run("servers", "test", "mine");
  assertEquals(tested.code, 0, tested.stdout + tested.stderr);
  assertStringIncludes(tested.stdout, "1 tool ");
  const { pid } = JSON.parse(await Deno.readTextFile(`${it.path}/daemon.json`));

  const called = await it.run("call", "say", "word=hi", "--json");
  assertEquals(called.code, 0, called.stdout + called.stderr);
  const { content: [{ text }] } = JSON.parse(called.stdout);
  const { params } = JSON.parse(text);
  assertEquals([params.name, params.arguments], ["say", { word: "hi" }]);

  const removed = await it.run("servers", "remove", "mine");
  assertEquals([removed.code, removed.stderr], [0, ""]);
  const listed = await it.run("tools", "--json");
  assert(!JSON.parse(listed.stdout).tools.some(({ server }: { server: string }) => server === "mine"));
  assertEquals(
    JSON.parse(await Deno.readTextFile(`${it.path}/daemon.json`)).pid,
    pid,
    "one daemon did it all",
  );
});

Deno.test("a server that does not answer makes servers test exit with 1, with the reason", async () => {
  await using it = await home();
  await it.run(
    "servers",
    "add",
    "broken",
    Deno.execPath(),
    "eval",
    "console.error('no licence'); Deno.exit(3)",
  );
  const tested = await it.run("servers", "test", "broken");
  assertEquals(tested.code, 1);
  assertStringIncludes(tested.stdout, "no licence");
  const json = await it.run("servers", "test", "broken", "--json");
  assertEquals(json.code, 1);
  const [{ ok, error }] = JSON.parse(json.stdout).servers;
  assertEquals([ok, error.includes("code 3")], [false, true]);
});

Deno.test(
  "Ctrl+C cancels the call that call waits for",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using it = await home();
    const bad = fromFileUrl(new URL("../fixtures/bad_server.ts", import.meta.url));
    await it.run("servers", "add", "holds", Deno.execPath(), "run", "-A", "--no-check", bad, "serves");
    await it.run("servers", "test", "holds");
    const daemon = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", daemon, "call", "serves_hold"],
      env: { EXAI_HOME: it.path, XDG_RUNTIME_DIR: it.path, EXAI_WS_PORT: "0", ENV_FILE: "" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = child.output();
    const { url } = JSON.parse(await Deno.readTextFile(`${it.path}/daemon.json`));
    const recorded = async () => {
      const response = await fetch(new URL("/calls?tool=serves_hold", url.replace(/^ws/, "http")));
      return (await response.json()).calls as { outcome: string; message?: string }[];
    };
    const outcome = async () => (await recorded()).map(({ outcome }) => outcome);
    while ((await outcome()).length === 0);
    child.kill("SIGINT");
    const { code, stderr } = await output;
    assertEquals(code, 1);
    assertStringIncludes(new TextDecoder().decode(stderr), "cancelled");
    while ((await outcome()).includes("running"));
    assertEquals(await outcome(), ["CANCELLED"]);
    // A model goes on answering for a client that has only gone away.
    assertStringIncludes((await recorded())[0]!.message!, "the client cancelled the call");
  },
);
