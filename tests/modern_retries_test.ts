import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import { textResult } from "../lib/wire/mcp.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { removeHome } from "./helpers/files.ts";
import { modernRequest } from "./helpers/modern.ts";
import { ModernHttpClient } from "./helpers/modern_http_client.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";

const CAPABILITIES = { elicitation: { form: {} } };
const QUESTION = { method: "elicitation/create", params: { message: "sure?", requestedSchema: {} } };
const CALL = { name: "pay", arguments: {} };

/** A server of the new era with one tool that asks first, and is not to be called twice. */
class Payer extends OddServer {
  override readonly name = "payer";
  override list(kind: string): Promise<JsonObject[]> {
    return Promise.resolve(kind === "tools" ? [{ name: "pay", inputSchema: { type: "object" } }] : []);
  }
  override readonly target = ({ answers, begin }: Call): Promise<Result> => {
    try {
      begin?.();
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    if (answers?.requestState !== undefined) {
      this.runs++;
      return Promise.resolve({ result: textResult("paid") });
    }
    const result = {
      resultType: "input_required",
      inputRequests: { sure: QUESTION },
      requestState: "its own",
    };
    return Promise.resolve({ result });
  };
}

async function payingDaemon(home?: string) {
  const payer = new Payer();
  const it = await testDaemon({ servers: [payer], settings: home === undefined ? {} : { home } });
  return {
    ...it,
    payer,
    /** Calls the tool as the client of a window. */
    window: (headers: Record<string, string> = {}) => {
      const client = new ModernHttpClient(it.http, { capabilities: CAPABILITIES }, headers);
      return (answers: JsonObject = {}) => client.ask("tools/call", { ...CALL, ...answers });
    },
  };
}

/** As `window`, over a connection. */
function caller(client: RawClient) {
  return (answers: JsonObject = {}) =>
    client.ask(
      modernRequest(crypto.randomUUID(), "tools/call", { ...CALL, ...answers }, {
        capabilities: CAPABILITIES,
      }),
    );
}

/** The answer to what `question` asks. */
function answerTo(question: JsonObject): JsonObject {
  const { requestState, resultType } = question.result as JsonObject;
  assertEquals(resultType, "input_required");
  return { requestState: requestState!, inputResponses: { sure: { action: "accept", content: {} } } };
}

function outcome({ result, error }: JsonObject): unknown {
  if (error) {
    return ((error as JsonObject).data as JsonObject | undefined)?.code ?? (error as JsonObject).code;
  }
  return ((result as JsonObject).content as JsonObject[])[0]!.text;
}

Deno.test("a daemon that is killed leaves what its retries have begun to the next one", async () => {
  await using before = await payingDaemon();
  const send = before.window({ "x-exai-window": "left" });
  const [used, fresh] = [answerTo(await send()), answerTo(await send())];
  assertEquals(outcome(await send(used)), "paid");
  // What a process leaves that is killed now.
  const home = await Deno.makeTempDir({ prefix: "exai-test-" });
  for await (const { name, isFile } of Deno.readDir(before.home)) {
    if (isFile) await Deno.copyFile(`${before.home}/${name}`, `${home}/${name}`);
  }
  {
    await using after = await payingDaemon(home);
    const again = after.window({ "x-exai-window": "left" });
    assertEquals([outcome(await again(used)), after.payer.runs], ["OUTCOME_UNKNOWN", 0]);
    assertEquals([outcome(await again(fresh)), after.payer.runs], ["paid", 1]);
    assertEquals(
      [outcome(await again(fresh)), after.payer.runs],
      ["paid", 1],
      "the same retry joins the first",
    );
  }
  await removeHome(home);
});

Deno.test("a state is that of one window: of its name and directory over HTTP, of its connection elsewhere", async () => {
  await using it = await payingDaemon();
  const left = it.window({ "x-exai-window": "left", "x-exai-cwd": it.home });
  const state = answerTo(await left());
  const others: Record<string, string>[] = [
    { "x-exai-window": "right", "x-exai-cwd": it.home },
    { "x-exai-window": "left", "x-exai-cwd": `${it.home}/..` },
    { "x-exai-cwd": it.home },
  ];
  for (const headers of others) {
    const refused = await it.window(headers)(state);
    assertEquals((refused.error as JsonObject).code, -32602, JSON.stringify(headers));
    assertStringIncludes((refused.error as JsonObject).message as string, "another window");
  }
  assertEquals(outcome(await left(state)), "paid");
  // Without a name, what is known is the user and the directory.
  const nameless = answerTo(await it.window({ "x-exai-cwd": it.home })());
  assertEquals(outcome(await it.window({ "x-exai-cwd": it.home })(nameless)), "paid");
  using one = await RawClient.hello(it.url, { cwd: it.home });
  using two = await RawClient.hello(it.url, { cwd: it.home });
  const asked = answerTo(await caller(one)());
  assertEquals(((await caller(two)(asked)).error as JsonObject).code, -32602);
  assertEquals(outcome(await caller(one)(asked)), "paid");
  assertEquals(it.payer.runs, 3);
});

Deno.test("a window that comes back to the next daemon has its states, and no other window has", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-test-" });
  const hello = { session_id: "shim", cwd: home };
  const { resume_token: token, state } = await (async () => {
    await using before = await payingDaemon(home);
    using shim = await RawClient.hello(before.url, { ...hello, resume: true });
    return { ...shim.ack, state: answerTo(await caller(shim)()) };
  })() as JsonObject & { state: JsonObject };
  {
    await using after = await payingDaemon(home);
    using other = await RawClient.hello(after.url, { ...hello, resume: true });
    assertStringIncludes(JSON.stringify(await caller(other)(state)), "another window");
    using shim = await RawClient.hello(after.url, { ...hello, resume: { token: token!, waiting: [] } });
    assertEquals([outcome(await caller(shim)(state)), after.payer.runs], ["paid", 1]);
  }
  await removeHome(home);
});
