import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { bundleShim } from "../../tools/compile/shim.ts";
import { ScriptedDaemon, SERVER_INFO } from "../fixtures/scripted_daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { Shim } from "../helpers/shim.ts";

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
