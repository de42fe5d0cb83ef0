import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { startDaemon } from "../helpers/program.ts";
import { ProcessClient, testHost } from "../helpers/processes.ts";
import { INITIALIZE } from "../helpers/shim.ts";

const SHIM = fromFileUrl(new URL("../../shim.ts", import.meta.url));

/** Tests of what only Windows has; `deno task windows` runs them elsewhere. */
const onWindows = { ignore: Deno.build.os !== "windows" };

const AUTO_TOKEN = { EXAI_WS_TOKEN: "auto" };

async function socketOf(home: string): Promise<string> {
  return JSON.parse(await Deno.readTextFile(join(home, "daemon.json"))).socket;
}

Deno.test({
  name: "four windows at once reach the daemon through its named pipe, and a fifth comes later",
  ...onWindows,
  // Each program is compiled from its source, which takes Wine seconds.
  timeout: 180_000,
  async fn() {
    await using daemon = await startDaemon({ env: AUTO_TOKEN });
    const { home } = daemon;
    const socket = await socketOf(home);
    assertStringIncludes(socket, "\\\\.\\pipe\\exai-");
    // Nobody listens at port 1: what works works through the pipe.
    const env = {
      ...AUTO_TOKEN,
      EXAI_HOME: home,
      EXAI_WS_PORT: "1",
      EXAI_SOCKET: socket,
      EXAI_WS_AUTOSTART: "false",
    };
    // As servers: each program of `Deno.Command` takes a thread of this process.
    await using host = testHost({ env: { ...Deno.env.toObject(), USERPROFILE: home } });
    const open = async () => {
      const args = ["run", "-A", "--no-check", SHIM];
      const program = { name: "shim", title: "shim", command: Deno.execPath(), args, env };
      const client = new ProcessClient(await host.spawn(program));
      await client.ask("initialize", INITIALIZE);
      return client;
    };
    const shims = await Promise.all(Array.from({ length: 4 }, open));
    shims.push(await open());
    const answers = await Promise.all(
      shims.map((shim) => shim.ask("tools/call", { name: "version", arguments: {} })),
    );
    assertEquals(answers.map(({ error }) => error), shims.map(() => undefined));
  },
});
