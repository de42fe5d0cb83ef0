import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { startDaemon } from "../helpers/program.ts";

const smokeFile = fromFileUrl(new URL("../../tools/smoke.ts", import.meta.url));

async function smoke(args: string[], env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", smokeFile, ...args],
    env: { EXAI_WS_PORT: "0", EXAI_WS_TOKEN: "", ENV_FILE: "", ...env },
  });
  const { code, stdout, stderr } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("the smoke test passes on a daemon of its own when none runs", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-smoke-test-" });
  const { code, stdout, stderr } = await smoke([], { EXAI_HOME: home });
  assertEquals(stderr, "");
  assertEquals(code, 0);
  assertMatch(stdout, /^smoke: a private daemon/);
  for (const client of ["WebSocket 1", "WebSocket 2", "shim 1", "shim 2"]) {
    assertStringIncludes(stdout, client);
  }
  assertEquals(stdout.trim().split("\n").at(-1), "smoke: ok");
  await Deno.remove(home, { recursive: true });
});

Deno.test("the smoke test finds the daemon that runs, with its token, and leaves it running", async () => {
  await using daemon = await startDaemon({ env: { EXAI_WS_TOKEN: "auto" } });
  const env = { EXAI_HOME: daemon.home, EXAI_WS_TOKEN: "auto" };
  const first = await smoke([], env);
  assertStringIncludes(first.stdout, `smoke: the daemon running at ${daemon.url}`);
  assertEquals(first.code, 0);
  const token = (await Deno.readTextFile(`${daemon.home}/token`)).trim();
  const second = await smoke(["--url", daemon.url, "--token", token]);
  assertEquals(second.code, 0);
});

Deno.test("the smoke test says in one line what failed", async () => {
  await using daemon = await startDaemon({ env: { EXAI_WS_TOKEN: "the right token" } });
  const { code, stderr } = await smoke(["--url", daemon.url, "--token", "a wrong token"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^smoke: failed: WebSocket \d: hello: hello was refused: unauthorized\n$/);
});
