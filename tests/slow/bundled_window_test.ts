import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { SHIM_V8_FLAGS } from "../../lib/config/shim_program.ts";
import { bundleShim } from "../../tools/compile/shim.ts";
import { ScriptedDaemon, SERVER_INFO } from "../fixtures/scripted_daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

/** The globals whose first use loads what Deno has of Node.js. */
const NODE_GLOBALS = [
  "process",
  "Buffer",
  "global",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "clearImmediate",
];

/** Starts the bundle and says on stderr which of those globals it uses. */
const SPY = `
for (const name of ${JSON.stringify(NODE_GLOBALS)}) {
  const { get } = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, {
    configurable: true,
    get() {
      Deno.stderr.writeSync(new TextEncoder().encode("used: " + name + "\\n"));
      return get.call(globalThis);
    },
  });
}
await import("./shim.js");
`;

async function bundled() {
  const dir = await tempDir({ "spy.js": SPY });
  await bundleShim(join(dir.path, "shim.js"));
  return dir;
}

function usedIn(stderr: string): string[] {
  return Array.from(stderr.matchAll(/^used: (\w+)$/gm), ([, name]) => name!);
}

Deno.test("a bundled window loads nothing of Node.js at its start, nor for calls now and then", async () => {
  await using dir = await bundled();
  const text = await Deno.readTextFile(join(dir.path, "shim.js"));
  assertEquals(text.match(/(?:\bfrom|\bimport)\s*"node:\w+"/g), null);
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.start({ port: daemon.port, program: join(dir.path, "spy.js") });
  assertEquals(((await shim.initialize()).result as { serverInfo: unknown }).serverInfo, SERVER_INFO);
  for (let i = 0; i < 20; i++) assertEquals((await shim.ask("ping")).result, {});
  for (const line of ["null", "[]", "5"]) {
    await shim.send(line);
    assertEquals(((await shim.next()).error as { code: number }).code, -32600, line);
  }
  assertEquals(usedIn(shim.stderr), []);
});

Deno.test("a busy bundled window gets every answer while it goes over to sockets", async () => {
  await using dir = await bundled();
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port, program: join(dir.path, "spy.js") });
  const lane = async () => {
    // Until it has gone over, however slow the machine is, and on from there.
    for (let left = 100; left > 0;) {
      assertEquals((await shim.ask("ping")).result, {});
      if (usedIn(shim.stderr).length > 0) left--;
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  assert(usedIn(shim.stderr).includes("process"), shim.stderr);
});

Deno.test("a bundled shim starts the bundled daemon in the directory beside it", async () => {
  await using dir = await bundled();
  await Deno.mkdir(join(dir.path, "daemon"));
  const daemon =
    'Deno.writeTextFileSync(Deno.env.get("EXAI_HOME") + "/started", Deno.args.join()); Deno.exit(1);';
  await Deno.writeTextFile(join(dir.path, "daemon", "daemon.js"), daemon);
  const home = join(dir.path, "home");
  await Deno.mkdir(home, { mode: 0o700 });
  const env = { EXAI_WS_AUTOSTART: "true", EXAI_WS_CONNECT_TIMEOUT: "0.3" };
  await using shim = await Shim.start({ port: 1, home, env, program: join(dir.path, "shim.js") });
  const started = () => Deno.readTextFile(join(home, "started")).catch(() => undefined);
  while (await started() === undefined) {
    assert((await shim.ask("initialize", INITIALIZE)).error !== undefined);
  }
  assertEquals(await started(), "--if-not-running");
});

Deno.test("a client that is pointed at a bundle starts it with the flags of V8 it is measured with", async () => {
  const lib = new URL("../../lib/config/shim_program.ts", import.meta.url).href;
  const program = `import { shimCommand } from "${lib}"; console.log(JSON.stringify(shimCommand()));`;
  await using dir = await tempDir({ "shim.js": "" });
  await Deno.mkdir(join(dir.path, "daemon"));
  const path = join(dir.path, "daemon", "daemon.js");
  await Deno.writeTextFile(path, program);
  const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `--config=${config}`, path],
  }).output();
  const { args } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(args.slice(0, -1), ["run", "-A", "--no-config", SHIM_V8_FLAGS]);
  assertEquals(await Deno.realPath(args.at(-1)), await Deno.realPath(join(dir.path, "shim.js")));
});
