import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { redact } from "../../lib/base/log.ts";
import type { Call } from "../../lib/call/call.ts";
import { TokenStore } from "../../lib/edge/token.ts";
import { textResult } from "../../lib/wire/mcp.ts";
import { CountingServer } from "../helpers/counting_server.ts";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { Shim } from "../helpers/shim.ts";

async function isWelcome(url: string, token: string): Promise<boolean> {
  using client = await RawClient.hello(url, { token });
  return client.ack.ok === true;
}

Deno.test("a token that was rotated still opens connections through its grace, and may not rotate", async () => {
  await using it = await testDaemon({ settings: { token: "first-secret" } });
  using client = await RawClient.hello(it.url, { token: "first-secret" });
  const rotate = (old: string, next: string) => client.ask({ op: "rotate_token", old, new: next });
  assertEquals((await rotate("first-secret", "second-secret")).ok, true);
  assertEquals(await isWelcome(it.url, "first-secret"), true);
  assertEquals(await isWelcome(it.url, "second-secret"), true);
  assertEquals(await isWelcome(it.url, "third-secret"), false);
  assertEquals((await rotate("first-secret", "third-secret")).ok, false);
  assertEquals((await client.call("version")).error, undefined, "an open session stays");
  await client.close();
});

Deno.test("a retired token ends with its grace, at most a few are kept, and no log holds any", async () => {
  const options = { setting: "token-0000", path: "", graceMs: 60_000 };
  const keeper = await TokenStore.open(options);
  for (let n = 0; n < 20; n++) await keeper.rotate(`token-${pad(n)}`, `token-${pad(n + 1)}`);
  const accepted = Array.from({ length: 21 }, (_, n) => n).filter((n) => keeper.accepts(`token-${pad(n)}`));
  assertEquals(accepted, [12, 13, 14, 15, 16, 17, 18, 19, 20]);
  assertEquals(redact("it was token-0003 and is token-0020"), "it was [secret] and is [secret]");
  const brief = await TokenStore.open({ ...options, graceMs: 0 });
  await brief.rotate("token-0000", "token-0001");
  assertEquals([brief.accepts("token-0000"), brief.accepts("token-0001")], [false, true]);
});

Deno.test("whoever has read the next token in its file gets in, also while it is being put in force", async () => {
  await using dir = await tempDir({});
  const keeper = await TokenStore.open({ setting: "auto", path: `${dir.path}/token`, graceMs: 0 });
  const first = keeper.current;
  const rotating = keeper.rotate(first, "the-next-token");
  assertEquals([keeper.accepts(first), keeper.accepts("the-next-token")], [true, true]);
  assertEquals(keeper.validTokens, [first, "the-next-token"]);
  assertEquals(await keeper.rotate(first, "another-token"), false);
  assertEquals(await rotating, true);
  assertEquals([keeper.accepts(first), keeper.validTokens], [false, ["the-next-token"]]);
  assertEquals(await Deno.readTextFile(`${dir.path}/token`), "the-next-token\n");
  await Deno.remove(`${dir.path}/token`);
  await Deno.mkdir(`${dir.path}/token/in-the-way`, { recursive: true });
  await assertRejects(() => keeper.rotate("the-next-token", "never-written"));
  assertEquals(keeper.validTokens, ["the-next-token"]);
});

Deno.test(
  "after a rotation and its grace, a window that is cut off comes back by itself and has lost nothing",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    const gate = Promise.withResolvers<void>();
    const counting = new CountingServer();
    const started = Promise.withResolvers<void>();
    const target = counting.target;
    const held = Object.assign(counting, {
      target: async (call: Call) => {
        started.resolve();
        await gate.promise;
        return await target(call).then(() => ({ result: textResult("done once") }));
      },
    });
    await using it = await testDaemon({ servers: [held], settings: { token: "auto", tokenGraceMs: 0 } });
    // Through the socket: a daemon that proves itself for one port is not believed at another.
    await using proxy = new CuttingProxy(it.daemon.socket!, () => Infinity);
    const env = { EXAI_WS_TOKEN: "auto", LOG_LEVEL: "trace", EXAI_SOCKET: proxy.path };
    await using shim = await Shim.ready({ port: 1, home: it.home, env });
    const answer = shim.call("count", { n: 1 });
    await started.promise;
    const old = (await Deno.readTextFile(join(it.home, "token"))).trim();
    const port = new URL(it.url).port;
    const said = await runDaemon({
      home: it.home,
      args: ["token", "rotate"],
      env: { EXAI_WS_TOKEN: "auto", EXAI_WS_PORT: port },
    });
    assertEquals(said.code, 0, said.stderr);
    const next = (await Deno.readTextFile(join(it.home, "token"))).trim();
    assertNotEquals(next, old);
    assertEquals(await isWelcome(it.url, old), false);
    proxy.cutAll();
    gate.resolve();
    const { content } = (await answer).result as { content: { text: string }[] };
    assertEquals(content[0]?.text, "done once");
    assertEquals(counting.runs.get(1), 1);
    for (const secret of [old, next]) {
      assert(!said.stdout.includes(secret) && !said.stderr.includes(secret) && !shim.stderr.includes(secret));
    }
  },
);

Deno.test("exai-daemon token works on the file when no daemon runs, and shows what is in it", async () => {
  const home = await Deno.makeTempDir();
  const run = (...args: string[]) => runDaemon({ home, args, env: { EXAI_WS_TOKEN: "auto" } });
  const none = await run("token", "show");
  assertEquals([none.code, none.stderr.includes("the daemon makes one when it starts")], [1, true]);
  assertEquals((await run("token", "rotate")).code, 0);
  const shown = (await run("token", "show")).stdout.trim();
  assertEquals(shown, (await Deno.readTextFile(join(home, "token"))).trim());
  assert(shown.length >= 40, shown);
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(join(home, "token"))).mode! & 0o777, 0o600);
  }
  {
    await using it = await startDaemon({ home, env: { EXAI_WS_TOKEN: "auto" } });
    await assertServes(it.url, { token: shown });
  }
  assertEquals((await run("token", "dance")).code, 2);
  await Deno.remove(home, { recursive: true });
});

Deno.test("a token that stands in the settings is not rotated in a file, and it is said why", async () => {
  const asked = await runDaemon({ args: ["token", "rotate"], env: { EXAI_WS_TOKEN: "correct-horse" } });
  assertEquals(asked.code, 1);
  assert(asked.stderr.includes("EXAI_WS_TOKEN=auto"), asked.stderr);
  assert(!asked.stderr.includes("correct-horse"), asked.stderr);
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  const refused = await fetch(new URL("/token/rotate", it.http), {
    method: "POST",
    headers: { authorization: "Bearer correct-horse" },
  });
  assertEquals([refused.status, (await refused.json()).error.code], [400, "INVALID_PARAMS"]);
  const keeper = await TokenStore.open({ setting: "", path: "", graceMs: 0 });
  await assertRejects(() => keeper.rotate("", "long-enough"), ExaiError, "runs without a token");
});

function pad(n: number): string {
  return String(n).padStart(4, "0");
}
