import { assert, assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { messageError, refusalStatus } from "../../lib/upstream/instance/server_errors.ts";
import { asking, mountingDaemon } from "../helpers/mounts.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";
import { UrlServer } from "../helpers/url_server.ts";

type Daemon = Awaited<ReturnType<typeof mountingDaemon>>;

async function tempDir() {
  const path = await Deno.makeTempDir({ prefix: "exai-project-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }).catch(() => {}) };
}

async function health(it: Daemon): Promise<{ status: string; reasons: string[] }> {
  return await (await fetch(new URL("/health", it.http))).json();
}

/** A window of one server alone, so that its calls are led there whatever the server shows. */
function windowIn(it: Daemon, cwd?: string) {
  return RawClient.hello(it.url, { server: "one", ...(cwd === undefined ? {} : { cwd }) });
}

async function failures(client: RawClient, times: number, more: JsonObject = {}): Promise<JsonObject[]> {
  const errors: JsonObject[] = [];
  for (let n = 0; n < times; n++) {
    const reply = await client.call("echo", { text: "x" }, more);
    assert(reply.error, `call ${n} went well`);
    errors.push(reply.error as JsonObject);
  }
  return errors;
}

const works = async (client: RawClient) =>
  assertEquals((await client.call("echo", { text: "here" })).error, undefined);

Deno.test("windows without the directory a server needs are told so, and count for nothing", async () => {
  await using dir = await tempDir();
  const one = asking(["well", "${workspaceFolder}"], { share: "project" });
  await using it = await mountingDaemon({ one }, { breakerFailures: 2 });
  using lost = await windowIn(it);
  for (const { message } of await failures(lost, 6)) assertStringIncludes(String(message), "workspaceFolder");
  using well = await windowIn(it, dir.path);
  await works(well);
  for (const { message } of await failures(lost, 2)) assertStringIncludes(String(message), "workspaceFolder");
  await works(well);
  assertEquals((await health(it)).status, "ok");
});

Deno.test("a server that exits in one project rests there, and runs in another", async () => {
  await using sick = await tempDir();
  await using sound = await tempDir();
  await Deno.writeTextFile(`${sick.path}/broken`, "");
  await using it = await mountingDaemon({ one: asking(["picky"], { share: "project" }) });
  using first = await windowIn(it, sick.path);
  using second = await windowIn(it, sound.path);
  await works(second);
  const told = await until("it rests", async () => {
    const [error] = await failures(first, 1);
    return String(error!.message).includes("rests") ? error : undefined;
  });
  assertStringIncludes(String(told.message), `server "one" in ${sick.path} failed`);
  await works(second);
  using third = await windowIn(it, sound.path);
  await works(third);
  const rows = await it.status();
  assertEquals(rows.map(({ state, failures }) => [state, failures !== undefined]).sort(), [
    ["backing off", true],
    ["running", false],
  ]);
  assertStringIncludes((await health(it)).reasons.join(), `server one in ${sick.path} failed`);
  await Deno.remove(`${sick.path}/broken`);
  await it.reload();
  await works(first);
  assertEquals((await health(it)).status, "ok");
});

Deno.test("time-outs of one window on a process of its own leave the other's process in service", async () => {
  const one = asking([], { share: "session", callTimeoutMs: 1000 });
  await using it = await mountingDaemon({ one }, { breakerFailures: 2 });
  using slow = await windowIn(it);
  using quick = await windowIn(it);
  // The first calls may take longer than they may, for each starts a process.
  for (const client of [quick, slow]) {
    await until("a start", async () => {
      return (await client.call("echo", { text: "x" })).error === undefined ? true : undefined;
    });
  }
  for (let n = 0; n < 2; n++) {
    assertEquals((await slow.call("slow", { ms: 60_000 }) as { error: JsonObject }).error.code, "TIMEOUT");
  }
  assertEquals((await failures(slow, 1))[0]!.code, "UPSTREAM_UNAVAILABLE");
  await works(quick);
  const states = (await it.status()).map(({ breaker }) => (breaker as JsonObject).state);
  assertEquals(states.sort(), ["closed", "open"]);
});

Deno.test("a window whose directory does not exist counts for nothing, and is served once it does", async () => {
  await using dir = await tempDir();
  await using it = await mountingDaemon({ one: asking([], { share: "project" }) });
  const missing = `${dir.path}/not/yet`;
  using early = await windowIn(it, missing);
  for (const { message } of await failures(early, 8)) assertStringIncludes(String(message), "does not exist");
  using well = await windowIn(it, dir.path);
  await works(well);
  assertEquals((await health(it)).status, "ok");
  await Deno.mkdir(missing, { recursive: true });
  await until("it starts", async () => {
    return (await early.call("echo", { text: "x" })).error === undefined ? true : undefined;
  }, 5000);
});

Deno.test("a person who does not answer in time is no fault of the server that asked", async () => {
  const one = asking([], { callTimeoutMs: 1000 });
  await using it = await mountingDaemon({ one }, { breakerFailures: 1 });
  await using asked = await sdkClient(it.url, { capabilities: { elicitation: {} } });
  asked.setRequestHandler(ElicitRequestSchema, () => new Promise<never>(() => {}));
  await asked.listTools();
  await until("a start", () => {
    return asked.callTool({ name: "echo", arguments: { text: "x" } }).then(() => true, () => undefined);
  });
  for (let n = 0; n < 2; n++) {
    const error = await asked.callTool({ name: "ask" }).then(() => undefined, (error) => error);
    assertStringIncludes(String(error), "took longer than the 1 s");
  }
  assertEquals(textOf(await asked.callTool({ name: "echo", arguments: { text: "well" } })), "well");
});

Deno.test("a message that cannot be sent for what is in it is the caller's fault, a broken connection is not", () => {
  const codeOf = (thrown: unknown) => messageError(thrown, "files")?.code;
  assertEquals(codeOf(new RangeError("Invalid string length")), "INVALID_PARAMS");
  assertEquals(codeOf(new ExaiError("TOO_LARGE", "12 MiB")), "TOO_LARGE");
  assertEquals(codeOf(new ExaiError("UPSTREAM_UNAVAILABLE", "it has ended")), undefined);
  assertEquals(codeOf(new Error("EPIPE")), undefined);
  assertEquals(refusalStatus(new Error("Error POSTing to endpoint (HTTP 413): too large")), 413);
  assertEquals(refusalStatus(Object.assign(new Error("refused"), { code: 400 })), 400);
  assertEquals(refusalStatus(Object.assign(new Error("gone"), { code: "ECONNREFUSED" })), undefined);
});

Deno.test("a message a server behind a URL refuses for what is in it is no failure of the server", async () => {
  await using server = new UrlServer();
  const web = { url: server.url, type: "http" };
  await using it = await mountingDaemon({ web }, { breakerFailures: 1 });
  using client = await RawClient.hello(it.url);
  for (const status of [400, 413, 422]) {
    server.script.push({ status });
    assertEquals(((await client.call("ping")).error as JsonObject).code, "UPSTREAM_UNAVAILABLE");
    assertEquals((await client.call("ping")).error, undefined, `after ${status}`);
  }
});
