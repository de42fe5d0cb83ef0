import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

type Daemon = Awaited<ReturnType<typeof mountingDaemon>>;

async function tempDir() {
  const path = await Deno.makeTempDir({ prefix: "exai-project-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }).catch(() => {}) };
}

/** What a new window that calls `tool` once and goes is told; undefined when it is answered. */
async function visit(it: Daemon, tool: string, cwd?: string): Promise<JsonObject | undefined> {
  using client = await RawClient.hello(it.url, { server: "one", ...(cwd === undefined ? {} : { cwd }) });
  return (await client.call(tool, { text: "x" })).error as JsonObject | undefined;
}

/** New windows call `tool` until one is told that the server rests for long. */
async function untilItRests(it: Daemon, tool: string, cwd?: string): Promise<JsonObject> {
  return await until("it rests", async () => {
    const error = await visit(it, tool, cwd);
    if (!error) throw new Error("a call went well");
    return Number(error.retry_after_ms) > 60_000 ? error : undefined;
  });
}

Deno.test("a server each window has for itself that never starts is tried five times, however many windows come", async () => {
  await using sick = await tempDir();
  await using sound = await tempDir();
  // It counts its starts, and is well where there is a file.
  const server = bad("well", { share: "session" });
  const command = [server.command, ...(server.args as string[])].map((arg) => `'${arg}'`).join(" ");
  const script = `echo start >> starts; test -e sound || exit 3; exec ${command}`;
  await using it = await mountingDaemon({ one: { ...server, command: "sh", args: ["-c", script] } });
  const starts = async () => (await Deno.readTextFile(`${sick.path}/starts`)).split("\n").length - 1;
  await Deno.writeTextFile(`${sound.path}/sound`, "");

  const error = await untilItRests(it, "well_echo", sick.path);
  assertEquals(error.code, "UPSTREAM_UNAVAILABLE");
  for (const part of [`"one" in every window of ${sick.path}`, "5 times in a row", "code 3", "reload"]) {
    assertStringIncludes(String(error.message), part);
  }
  for (let n = 0; n < 9; n++) assert(await visit(it, "well_echo", sick.path));
  assertEquals(await starts(), 5);
  const [row] = (await it.status()).filter(({ state }) => state === "crash limit reached");
  assertEquals([row!.scope, row!.failures], ["session", 5]);
  const health = await (await fetch(new URL("/health", it.http))).json();
  assertStringIncludes(health.reasons.join(), `server one in every window of ${sick.path} failed 5 times`);

  assertEquals(await visit(it, "well_echo", sound.path), undefined, "in another directory");
  await Deno.writeTextFile(`${sick.path}/sound`, "");
  await it.reload();
  assertEquals(await visit(it, "well_echo", sick.path), undefined, "put right, and read again");
});

Deno.test("a start that goes well in any window lets the failed ones be forgotten", async () => {
  await using dir = await tempDir();
  const server = bad("well", { share: "session" });
  const command = [server.command, ...(server.args as string[])].map((arg) => `'${arg}'`).join(" ");
  const script = `test -e sound || exit 3; exec ${command}`;
  await using it = await mountingDaemon({ one: { ...server, command: "sh", args: ["-c", script] } });
  for (let n = 0; n < 2; n++) assert(await visit(it, "well_echo", dir.path));
  await Deno.writeTextFile(`${dir.path}/sound`, "");
  using well = await RawClient.hello(it.url, { server: "one", cwd: dir.path });
  await until("it starts", async () => {
    return (await well.call("well_echo", { text: "x" })).error === undefined ? true : undefined;
  });
  await Deno.remove(`${dir.path}/sound`);
  assertEquals((await visit(it, "well_echo", dir.path))?.retry_after_ms, undefined);
  for (let n = 0; n < 6; n++) {
    const error = await visit(it, "well_echo", dir.path);
    assertMatch(
      String(error?.message),
      /^server "one": .*code 3/,
      "each new window tries, for one has it running",
    );
  }
});

Deno.test("a window that ends its own process again and again keeps nobody else from theirs", async () => {
  await using it = await mountingDaemon({ one: bad("well", { share: "session" }) });
  using rough = await RawClient.hello(it.url, { server: "one" });
  await until("it rests", async () => {
    const error = (await rough.call("well_die")).error as JsonObject;
    return Number(error.retry_after_ms) > 60_000 ? true : undefined;
  });
  assertEquals(await visit(it, "well_echo"), undefined);
});

Deno.test("a server that ends in whatever window calls it rests for all new ones", async () => {
  await using it = await mountingDaemon({ one: bad("well", { share: "session" }) }, { breakerFailures: 0 });
  const error = await untilItRests(it, "well_die");
  assertStringIncludes(String(error.message), '"one" in every window failed 5 times in a row');
});
