import { parsed } from "../helpers/messages.ts";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { KIB, MIB } from "../../lib/base/units.ts";
import { StdoutReader } from "../../lib/process/stdout_reader.ts";
import type { RpcMessage } from "../../lib/wire/rpc.ts";
import { Lifelines, oddProcess, ProcessClient, testHost } from "../helpers/processes.ts";

Deno.test("a process is spoken to on stdin and stdout, and ends when it is closed", async () => {
  await using host = testHost();
  const process = await host.spawn(oddProcess("echo"));
  const client = new ProcessClient(process);
  assertEquals((await client.ask("a", { text: "ü🎉" })).result, { text: "ü🎉" });
  assertEquals([process.traffic.messagesIn, host.running.size], [1, 1]);
  await process.close();
  const end = await process.closed;
  assertEquals([end.code, end.signal, end.wasClosed, host.running.size], [0, null, true, 0]);
  const error = await assertRejects(() => process.send({ jsonrpc: "2.0", method: "x" }), ExaiError);
  assertEquals(error.code, "UPSTREAM_UNAVAILABLE");
  assertStringIncludes(error.message, 'server "echo"');
});

Deno.test("banners, blank lines and JSON logs on stdout are passed over, counted and logged", async () => {
  await using host = testHost();
  const process = await host.spawn(oddProcess("banner"));
  const client = new ProcessClient(process);
  assertEquals((await client.ask("a", { n: 1 })).result, { n: 1 });
  assertEquals(process.traffic.noiseCount, 5);
  assertEquals(process.traffic.noise[0], "Welcome to the server!");
  assertEquals([client.others, client.errors], [[], []]);
  assertMatch(host.logged.join(""), /^\d{4}-\S+Z \[\d+\] \(stdout, no message\) Welcome to the server!$/m);
});

Deno.test("a character that arrives byte by byte is whole again", async () => {
  const text = "日本 ü 🎉";
  const line = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { text } }) + "\n";
  const received: RpcMessage[] = [];
  const fail = (what: unknown) => {
    throw new Error(`not expected: ${what}`);
  };
  const inbox = new StdoutReader({
    server: "s",
    maxLineBytes: KIB,
    onMessage: (message) => received.push(message),
    onRefused: fail,
    onError: fail,
    onNoise: fail,
  });
  for (const byte of new TextEncoder().encode(line + line)) inbox.take(Uint8Array.of(byte));
  assertEquals(received.map(parsed), [JSON.parse(line), JSON.parse(line)]);

  await using host = testHost();
  const process = await host.spawn(oddProcess("split"));
  const client = new ProcessClient(process);
  const answered = client.answerTo(1);
  for (const _ of new TextEncoder().encode(line)) await process.send({ jsonrpc: "2.0", method: "next" });
  assertEquals((await answered).result, { text });
});

Deno.test("messages of 20 MiB go both ways", async () => {
  await using host = testHost();
  const process = await host.spawn(oddProcess("echo"));
  const client = new ProcessClient(process);
  const text = "0123456789ü".repeat(20 * MIB / 12);
  const { result } = await client.ask("a", { text });
  assert(result?.text === text);
  const size = await client.ask("size", { unit: "🎉", count: 5 * MIB });
  assertEquals((size.result?.text as string).length, 10 * MIB);
});

Deno.test("an answer that is too long becomes an error for its request, and the process goes on", async () => {
  await using host = testHost({ limits: { maxLineBytes: 100 * KIB } });
  const client = new ProcessClient(await host.spawn(oddProcess("echo")));
  const { error } = await client.ask("size", { unit: "x", count: MIB });
  assertEquals((error?.data as { code: string }).code, "TOO_LARGE");
  assertMatch(error!.message, /server "echo" sent a message of 1\.0 MiB; at most 100 KiB are taken/);
  assertEquals((await client.ask("a", { n: 2 })).result, { n: 2 });
});

Deno.test("a process that floods stderr answers, its log stays small and its last lines are known", async () => {
  await using host = testHost({ limits: { closeGraceMs: 50 } });
  const process = await host.spawn(oddProcess("flood"));
  const client = new ProcessClient(process);
  for (let n = 0; n < 50; n++) assertEquals((await client.ask("a", { n })).result, { n });
  await process.close();
  const { stderrTail } = await process.closed;
  assertMatch(stderrTail, /^(stderr ){3}/m);
  assert(stderrTail.length <= 2 * KIB);
  assert(host.logged.join("").length < 4 * MIB);
});

Deno.test("a process that exits at once says why: its code and its last words", async () => {
  await using host = testHost();
  const process = await host.spawn(oddProcess("fail"));
  const { promise, resolve } = Promise.withResolvers<void>();
  process.onclose = resolve;
  await process.start();
  await promise;
  assertEquals(
    process.describeEnd(),
    "it exited with code 3; its last words on stderr: one\nmissing API key",
  );
  const end = await process.closed;
  assertEquals([end.code, end.wasClosed], [3, false]);
  assertMatch(host.logged.join(""), /missing API key\n/);
});

Deno.test("a process that is killed is told apart from one that was closed", async () => {
  await using host = testHost();
  const process = await host.spawn(oddProcess("echo"));
  const client = new ProcessClient(process);
  await client.ask("a");
  Deno.kill(process.pid, "SIGKILL");
  const end = await process.closed;
  assertEquals([end.code, end.signal, end.wasClosed], [null, "SIGKILL", false]);
  assertMatch(process.describeEnd(), /^it was ended by SIGKILL/);
});

Deno.test("a process that ignores the end of stdin and SIGTERM is ended all the same", async () => {
  using lifelines = new Lifelines();
  await using host = testHost({ limits: { closeGraceMs: 50, termGraceMs: 50 } });
  const process = await host.spawn(oddProcess("deaf", { port: lifelines.port }));
  const { ended } = await lifelines.next();
  await process.close();
  await ended;
  assertEquals((await process.closed).signal, "SIGKILL");
});

Deno.test("what a process leaves behind in its group ends with it, even if it ignores SIGTERM", async () => {
  using lifelines = new Lifelines();
  await using host = testHost({ limits: { termGraceMs: 50 } });
  const process = await host.spawn(oddProcess("grandchild", { port: lifelines.port }));
  const both = [await lifelines.next(), await lifelines.next()];
  assertEquals(both.map(({ name }) => name).sort(), ["deaf", "grandchild"]);
  Deno.kill(process.pid, "SIGKILL");
  await process.closed;
  await Promise.all(both.map(({ ended }) => ended));
});

Deno.test("what has left the group for a session of its own is ended with the process that started it", async () => {
  using lifelines = new Lifelines();
  await using host = testHost({ limits: { closeGraceMs: 50, termGraceMs: 50 } });
  const process = await host.spawn(oddProcess("stray", { port: lifelines.port }));
  const both = [await lifelines.next(), await lifelines.next()];
  await process.close();
  await Promise.all(both.map(({ ended }) => ended));
});

Deno.test("a process that never reads is sent no more than the limit", async () => {
  await using host = testHost({ limits: { maxQueuedBytes: MIB, closeGraceMs: 50, termGraceMs: 50 } });
  const process = await host.spawn(oddProcess("unread"));
  const message = { jsonrpc: "2.0" as const, method: "x", params: { text: "x".repeat(100 * KIB) } };
  const sent: Promise<unknown>[] = [];
  let refused: unknown;
  while (refused === undefined) {
    const sending = process.send(message);
    sent.push(sending.catch((thrown) => refused = thrown));
    await Promise.race([sending, Promise.resolve()]).catch(() => {});
  }
  assert(refused instanceof ExaiError);
  assertEquals((refused as ExaiError).code, "OVER_CAPACITY");
  assert(process.bufferedBytes <= MIB && process.bufferedBytes > 0, String(process.bufferedBytes));
  await process.close();
  await Promise.all(sent);
});

Deno.test("a process gets the basic environment and its own, and nothing else of the daemon's", async () => {
  const secrets = { EXAI_WS_TOKEN: "t", OPENAI_API_KEY: "k", GITHUB_TOKEN: "g", VIRTUAL_ENV: "/v" };
  await using host = testHost({ env: { HOME: "/", LANG: "de", LC_ALL: "C", USER: "me", ...secrets } });
  const client = new ProcessClient(await host.spawn(oddProcess("echo", { env: { OWN: "1", USER: null } })));
  const { result } = await client.ask("env");
  const names = Object.keys(result!).filter((name) => !name.startsWith("DENO"));
  assertEquals(names.sort(), ["HOME", "LANG", "LC_ALL", "OWN", "PATH", "SHELL"]);
});

Deno.test("a process starts in its directory, or in the home directory", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  await using host = testHost({ env: { HOME: dir } });
  const inTmp = new ProcessClient(await host.spawn(oddProcess("echo", { cwd: "/" })));
  const atHome = new ProcessClient(await host.spawn(oddProcess("echo")));
  assertEquals([(await inTmp.ask("cwd")).result, (await atHome.ask("cwd")).result], [{ cwd: "/" }, {
    cwd: dir,
  }]);
  await host[Symbol.asyncDispose]();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("what cannot be started says which server, which command, where it was looked for and what to do", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(join(dir, "data.txt"), "no program");
  await Deno.writeTextFile(join(dir, "broken"), "#!/no/such/interpreter\n", { mode: 0o755 });
  const cases: [string, RegExp][] = [
    [
      "no-such-program",
      /no directory of the PATH has it; install it, or [^(]*\(searched: [^)]*\/usr\/bin[^)]*\)/,
    ],
    ["npx -y thing", /write only the program into command and the rest into args/],
    ["./none", /there is no such program; correct command/],
    ["./data.txt", /there is no such program/],
    ["./broken", /cannot be run/],
  ];
  await using host = testHost();
  for (const [command, expected] of cases) {
    const error = await assertRejects(
      () => host.spawn({ name: "shop", title: "shop", command, args: [], env: {}, cwd: dir }),
      ExaiError,
    );
    assertEquals(error.code, "UPSTREAM_UNAVAILABLE");
    assertMatch(error.message, /^server "shop" cannot start: /);
    assertMatch(error.message, expected);
  }
  const gone = { ...oddProcess("echo"), cwd: join(dir, "gone") };
  const error = await assertRejects(() => host.spawn(gone), ExaiError);
  assertMatch(error.message, /its directory .*gone does not exist; correct cwd/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a host that is disposed of ends all its processes", async () => {
  using lifelines = new Lifelines();
  const host = testHost({ limits: { closeGraceMs: 50, termGraceMs: 50 } });
  const ends: Promise<void>[] = [];
  for (let n = 0; n < 3; n++) {
    await host.spawn(oddProcess("deaf", { port: lifelines.port }));
    ends.push((await lifelines.next()).ended);
  }
  const usage = await host.usage();
  assertEquals(usage.size, 3);
  for (const { memoryBytes, processes } of usage.values()) {
    assert(memoryBytes > MIB && processes >= 1, String(memoryBytes));
  }
  await host[Symbol.asyncDispose]();
  await Promise.all(ends);
  assertEquals(host.running.size, 0);
});
