import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { ServerActionAnswer } from "../lib/admin/server_actions.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { serversCommand } from "../lib/commands/servers.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { until } from "./helpers/until.ts";

async function post(http: string, path: string): Promise<{ status: number; body: JsonObject }> {
  const response = await fetch(new URL(path, http), { method: "POST" });
  return { status: response.status, body: await response.json() };
}

/** Has `client` make a call of the server that does not end by itself; resolves once it runs, with its answer. */
async function heldCall(client: RawClient, it: { status(): Promise<JsonObject[]> }) {
  const answer = client.call("ok_hold");
  await until("it runs", async () => (await it.status()).find(({ inflight }) => inflight === 1));
  return { answer };
}

Deno.test("a restart lets calls end, and starts a process for the same windows at once", async () => {
  await using it = await mountingDaemon({ ok: bad("ok") });
  using client = await RawClient.hello(it.url);
  const { answer } = await heldCall(client, it);
  const [before] = await it.status();
  const restarting = post(it.http, "/servers/restart?name=ok");
  await until("it ends", async () => (await it.status()).find(({ state }) => state === "ending"));
  Deno.kill(before!.pid as number, "SIGUSR1");
  assertStringIncludes(JSON.stringify(await answer), `held by ${before!.pid}`);
  const { status, body } = await restarting;
  assertEquals(status, 200);
  const { ended: [ended], started: [started], failed } = body as ServerActionAnswer;
  assertEquals([ended!.pid, ended!.inflight, failed], [before!.pid, 1, []]);
  assertEquals(started!.sessions, [client.ack.session_id]);
  const rows = await it.status();
  assertEquals(rows.map(({ pid, state }) => [pid, state]), [[started!.pid, "running"]]);
  assertNotEquals(started!.pid, before!.pid);
  await client.close();
});

Deno.test("a server that is parked ends once idle, and its next call starts it", async () => {
  await using it = await mountingDaemon({ ok: bad("ok") });
  using client = await RawClient.hello(it.url);
  const { answer } = await heldCall(client, it);
  const [before] = await it.status();
  const { body } = await post(it.http, `/servers/park?name=ok&key=${before!.share_key}`);
  assertEquals(body.started, []);
  assertEquals((await it.status()).map(({ pid, state }) => [pid, state]), [[before!.pid, "ending"]]);
  Deno.kill(before!.pid as number, "SIGUSR1");
  await answer;
  await until("it is gone", async () => (await it.status()).find(({ state }) => state === "not started"));
  assertStringIncludes(JSON.stringify(await client.call("ok_echo", { text: "again" })), "again");
  await client.close();
});

Deno.test("a server that is stopped fails its calls with the reason, and what is not there is said", async () => {
  await using it = await mountingDaemon({ ok: bad("ok") });
  using client = await RawClient.hello(it.url);
  const settings = defaultSettings({ home: it.home, port: Number(new URL(it.http).port) });
  const { answer } = await heldCall(client, it);
  const text = await runCommandAlone(serversCommand, ["stop", "ok"], { settings });
  assertMatch(text, /^ok \(process \d+\) ended, for 1 session$/);
  const { error } = await answer as { error?: JsonObject };
  assertStringIncludes(String(error?.message), "stopped");
  assertEquals(await runCommandAlone(serversCommand, ["park", "ok"], { settings }), "ok did not run");
  assertMatch(
    await runCommandAlone(serversCommand, ["restart", "ok"], { settings }),
    /^ok did not run\nok \(process \d+\) started$/,
  );
  const wrong = await post(it.http, "/servers/stop?name=okk");
  assertEquals([wrong.status, (wrong.body.error as JsonObject).message], [
    404,
    'no server "okk" is mounted (did you mean ok?); there are: ok',
  ]);
  assertEquals((await post(it.http, "/servers/park?name=ok&key=x")).status, 404);
  const misspelt = await post(it.http, "/servers/stop?name=ok&kye=x");
  assertEquals([misspelt.status, (misspelt.body.error as JsonObject).message], [
    400,
    '/servers/stop takes no "kye" (did you mean key?); allowed: name, key',
  ]);
  assertEquals((await fetch(new URL("/servers/park?name=ok", it.http))).status, 400);
  await client.close();
});
