import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { TokenStore } from "../lib/edge/token.ts";
import { defaultSettings, loadSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { statusOf } from "./helpers/http_client.ts";
import { RawClient } from "./helpers/raw_client.ts";

/** Tokens that could not be shown again. */
const BAD_TOKENS = [
  " correct-horse",
  "correct-horse ",
  "\ncorrect-horse",
  "correct\thorse",
  "correct\nhorse",
  "correct\u00a0horse",
  "correct\u0000horse",
  "corr\u00e9ct-horse",
  "\u200bcorrect-horse",
  "short",
  "        ",
  "auto",
  "x".repeat(513),
];

Deno.test("a token that could not be shown again is refused in a rotation, and nobody is locked out", async () => {
  await using it = await testDaemon({ settings: { token: "auto" } });
  const file = statePaths({ ...defaultSettings(), home: it.home }).token;
  const token = (await Deno.readTextFile(file)).trim();
  using client = await RawClient.hello(it.url, { token });
  for (const next of ["", ...BAD_TOKENS]) {
    const answer = await client.ask({ op: "rotate_token", old: token, new: next });
    assertEquals(answer.ok, undefined, JSON.stringify(next));
    assertMatch(String(answer.message), /8 to 512 printable|new/, JSON.stringify(next));
  }
  assertEquals((await Deno.readTextFile(file)).trim(), token);
  await assertServes(it.url, { token });
  const good = "a pass  phrase !#$%&'*+-./:;<=>?@[]^_`{|}~\"\\,";
  assertEquals((await client.ask({ op: "rotate_token", old: token, new: good })).ok, true);
  await assertServes(it.url, { token: good });
  assertEquals(
    await statusOf(fetch(new URL("/health", it.http), { headers: { authorization: `Bearer ${good}` } })),
    200,
  );
  await client.close();
});

Deno.test("the same tokens are refused in the setting and in the file", async () => {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "token");
  for (const token of BAD_TOKENS.filter((bad) => bad !== "auto")) {
    const load = () => loadSettings({ args: [], env: { EXAI_WS_TOKEN: token, ENV_FILE: "" } });
    await assertRejects(() => Promise.resolve().then(load), ExaiError, "8 to 512");
    // The line end belongs to the file, as white space around it does to whoever has edited it.
    if (token.trim() !== token) continue;
    await Deno.writeTextFile(path, token + "\n");
    const open = () => TokenStore.open({ setting: "auto", path, graceMs: 0 });
    await assertRejects(open, ExaiError, "delete it");
    assertEquals(await Deno.readTextFile(path), token + "\n");
  }
  await Deno.writeTextFile(path, "");
  const made = await TokenStore.open({ setting: "auto", path, graceMs: 0 });
  assertEquals((await Deno.readTextFile(path)).trim(), made.current);
  await Deno.remove(dir, { recursive: true });
});
