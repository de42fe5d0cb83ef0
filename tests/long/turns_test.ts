import { assertEquals, assertStringIncludes } from "@std/assert";
import { Admissions } from "../../lib/app/admissions.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";
import { talkative } from "../helpers/talkative.ts";
import { until } from "../helpers/until.ts";

const ASKED = { elicitation: {}, sampling: {} };

for (const tool of ["ask", "sample"]) {
  Deno.test(`two windows that ${tool} at the same time are refused once at most, then each gets its own answer, a hundred times`, async () => {
    await using shared = sharedServer({ build: talkative });
    await using it = await testDaemon({ servers: [shared.mounted] });
    await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
    await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
    const ask = () =>
      Promise.all([ada, bob].map(async (client) => textOf(await client.callTool({ name: tool }))));
    for (const [i, text] of (await ask()).entries()) {
      if (text !== ["ada", "bob"][i]) assertStringIncludes(text, "it cannot be told which of them asks");
    }
    for (let round = 0; round < 100; round++) assertEquals(await ask(), ["ada", "bob"]);
    assertEquals(shared.servers.length <= 3, true);
  });
}

Deno.test("a window is not held up by another whose call does not end; one that is asked meanwhile waits seconds, then gets a process of its own", async () => {
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using shared = sharedServer({
    build: (server, n) => {
      talkative(server, n);
      server.registerTool("wait", {}, async () => {
        begun.resolve();
        await release.promise;
        return { content: [] };
      });
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
  await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
  await bob.callTool({ name: "process" });
  const waiting = ada.callTool({ name: "wait" });
  await begun.promise;
  assertEquals(textOf(await bob.callTool({ name: "process" })), "1");
  assertStringIncludes(textOf(await bob.callTool({ name: "ask" })), "it cannot be told which of them asks");
  assertEquals(textOf(await bob.callTool({ name: "ask" })), "bob");
  assertEquals(textOf(await bob.callTool({ name: "process" })), "2");
  release.resolve();
  await waiting;
});

for (const exclusive of [true, false]) {
  Deno.test(`beside a long call on one process for all, a window that is asked waits seconds at most and ${exclusive ? "is refused, as no copy may run" : "goes on in a copy"}; no other waits`, async () => {
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const admissions = new Admissions({ ...defaultSettings(), queueMax: 9 }, () => {});
    await using shared = sharedServer({
      config: { share: "machine", maxInflight: 9, exclusive },
      admissionFor: admissions.ofProcess,
      build: (server, n) => {
        talkative(server, n);
        server.registerTool(
          "wait",
          {},
          async () => (begun.resolve(), await release.promise, { content: [] }),
        );
      },
    });
    await using it = await testDaemon({ servers: [shared.mounted] });
    await using ada = await sdkClient(it.url, { capabilities: ASKED });
    await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
    await using eve = await sdkClient(it.url);
    await using dan = await sdkClient(it.url);
    const mute = [eve, dan];
    for (const client of [bob, ...mute]) await client.callTool({ name: "process" });
    const waiting = ada.callTool({ name: "wait" });
    await begun.promise;
    const asked = async () => textOf(await bob.callTool({ name: "ask" }));
    // The server has not asked before.
    assertStringIncludes(await asked(), "it cannot be told which of them asks");
    const abandoned = new AbortController();
    const second = ada.callTool({ name: "wait" }, undefined, { signal: abandoned.signal }).catch(() => {});
    const startedMs = performance.now();
    const inTurn = asked();
    for (let round = 0; round < 5; round++) {
      await Promise.all(mute.map((client) => client.callTool({ name: "process" })));
      if (round === 2) abandoned.abort();
    }
    await Promise.all([bob, ...mute].map((client) => client.listTools()));
    const othersMs = performance.now() - startedMs;
    const answer = await inTurn;
    const tookMs = performance.now() - startedMs;
    assertEquals([othersMs < 1500, tookMs < 5500], [true, true], `${othersMs} ms, ${tookMs} ms`);
    if (exclusive) assertStringIncludes(answer, '"exclusive": false in mcp.json');
    else assertEquals(answer, "bob");
    release.resolve();
    await Promise.all([waiting, second]);
    assertEquals(shared.servers.length, exclusive ? 1 : 2);
  });
}

Deno.test("a window that is asked waits for the short call of another, and is asked on the same process", async () => {
  await using shared = sharedServer({ build: talkative, settleMs: 300 });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
  await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
  for (let round = 0; round < 3; round++) {
    for (const [client, name] of [[ada, "ada"], [bob, "bob"]] as const) {
      assertEquals(textOf(await client.callTool({ name: "ask" })), name);
    }
  }
  assertEquals(shared.servers.length, 1);
});

Deno.test("a call that waits for another window's is shown so in ps and calls, and its client hears of it where it wants progress", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using shared = sharedServer({
    settleMs: 0,
    build: (server, n) => {
      talkative(server, n);
      server.registerTool("wait", {}, async () => (begun.resolve(), await release.promise, { content: [] }));
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
  await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
  assertEquals(textOf(await ada.callTool({ name: "ask" })), "ada");
  const long = ada.callTool({ name: "wait" });
  long.catch(() => {});
  await begun.promise;
  const heard: unknown[] = [];
  const options = { onprogress: ({ message }: { message?: string }) => void heard.push(message) };
  const asked = bob.callTool({ name: "ask" }, undefined, options);
  asked.catch(() => {});
  const waits = 'another window\'s call of server "shared", which asks its clients questions (elicitation)';
  const get = async (path: string) => await (await fetch(new URL(path, it.http))).json();
  const shown = ({ waits_for }: { waits_for?: string }) => waits_for ?? [];
  await until("ps shows it", async () => {
    const { waiting } = await get("/status");
    return waiting.flatMap(shown).includes(waits) || undefined;
  });
  const { calls } = await get("/calls?outcome=running");
  assertEquals(calls.flatMap(shown), [waits]);
  release.resolve();
  assertEquals([await long.then(() => "ended"), textOf(await asked)], ["ended", "bob"]);
  assertEquals(heard, [`waits for ${waits}: 4 s at most, then a process of its own is started`]);
  assertEquals(shared.servers.length, 1);
});
