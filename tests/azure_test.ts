// Azure OpenAI: deployments, its two ways of versions, and its two ways to sign in.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { createServer } from "@copilotkit/aimock";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import { fail, type Recorded, say } from "./fixtures/openai_server.ts";
import { respond } from "./fixtures/response_events.ts";
import { assertDocumented } from "./helpers/documented_bodies.ts";
import { assertDocumentedResponse } from "./helpers/documented_responses.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { rig, TEST_KEY } from "./helpers/provider_rig.ts";

const DATED = "2025-04-01-preview";

/** A resource that lists `deployments`, each as its name and its model. */
function listing(...deployments: [id: string, model: string, status?: string][]) {
  return ({ path, search }: Recorded) => {
    const isList = path === "/openai/deployments" && search === "?api-version=2023-03-15-preview";
    const data = deployments.map(([id, model, status = "succeeded"]) => ({
      id,
      model,
      status,
      object: "deployment",
    }));
    return isList
      ? Response.json({ object: "list", data })
      : fail(404, { error: { code: "404" } })({} as never);
  };
}

/** A token of Entra as the command of a test prints it, with the time of its end. */
function tokenUntil(secondsFromNow: number): string {
  const encode = (value: JsonObject) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const exp = Math.floor(Date.now() / 1000) + secondsFromNow;
  return `${encode({ alg: "none" })}.${encode({ exp })}.c2lnbmF0dXJl`;
}

Deno.test("a deployment of the v1 API is asked by its own name, with what its model can do", async () => {
  await using one = rig({
    kind: "azure",
    setup: { models: ["prod=gpt-5-codex"] },
    responses: [respond("Hi.")],
  });
  const result = await one.ask("prod", { thinkingMode: "high", webSearch: true });
  assertEquals([result.text, result.provider], ["Hi.", "azure"]);
  const { path, search, headers, body } = one.server.responses[0]!;
  assertDocumentedResponse("azure", body);
  assertEquals([path, search, body.model], ["/openai/v1/responses", "", "prod"]);
  assertEquals(body.reasoning, { effort: "high", summary: "auto" });
  assertEquals(headers.get("authorization"), `Bearer ${TEST_KEY}`);
  assert(result.cost !== undefined && result.cost.usd > 0, "the list price of the model");
  await one.ask("gpt-5-codex");
  assertEquals(one.server.responses[1]!.body.model, "prod", "the name of the model leads to its deployment");
});

Deno.test("a dated version asks the paths of the deployment, with the key in its own header", async () => {
  const setup = { models: ["chat=gpt-4.1"], apiVersion: DATED };
  await using one = rig({ kind: "azure", setup, scripts: [say("Hi.")] });
  assertEquals((await one.ask("chat", { temperature: 0.2 })).text, "Hi.");
  const { path, search, headers, body } = one.server.chats[0]!;
  assertDocumented("openai", body);
  assertEquals(path, "/openai/deployments/chat/chat/completions");
  assertEquals([search, headers.get("api-key")], [`?api-version=${DATED}`, TEST_KEY]);
  assertEquals(headers.get("authorization"), null);
});

Deno.test("a dated version has the Responses API beside the deployments, or falls back to these", async () => {
  const setup = { models: ["gpt-5.2"], apiVersion: DATED };
  await using one = rig({ kind: "azure", setup, responses: [respond("Hi.")] });
  await one.ask("gpt-5.2");
  const { path, search } = one.server.responses[0]!;
  assertEquals([path, search], ["/openai/responses", `?api-version=${DATED}`]);
  await using older = rig({ kind: "azure", setup });
  assertEquals((await older.ask("gpt-5.2")).text, "Hello.");
});

Deno.test("without a list of the user's the resource says which deployments it has", async () => {
  await using one = rig({ kind: "azure", responses: [respond("Hi.")] });
  one.server.other = listing(
    ["prod", "gpt-5.2-2025-12-11"],
    ["o3", "o3"],
    ["vectors", "text-embedding-3-large"],
    ["half", "gpt-5.1", "creating"],
    ["own", "my-model"],
  );
  await one.models.refresh();
  const { models, available } = one.models.status()[0]!;
  assertEquals([available, models.map(({ name }) => name)], [true, ["prod", "o3", "own"]]);
  assertEquals([models[0]!.contextTokens, models[0]!.abilities.search], [400_000, true]);
  assertEquals(one.server.requests[0]!.headers.get("api-key"), TEST_KEY);
  await one.ask("gpt-5.2-2025-12-11");
  assertEquals(one.server.responses[0]!.body.model, "prod");
});

Deno.test("any URL copied from the pages of a resource leads to it", async () => {
  for (
    const [pasted, path] of [
      ["/", "/openai/v1/responses"],
      ["/openai", "/openai/v1/responses"],
      ["/openai/v1/", "/openai/v1/responses"],
      ["/openai/v1/responses?api-version=preview", "/openai/v1/responses"],
      [`/openai/responses?api-version=${DATED}`, "/openai/responses"],
      [`/openai/deployments/x/chat/completions?api-version=${DATED}`, "/openai/responses"],
      ["/api/projects/acme/openai/v1", "/api/projects/acme/openai/v1/responses"],
    ] as const
  ) {
    await using one = rig({ kind: "azure", responses: [respond("Hi.")] });
    const setups = [{
      kind: "azure" as const,
      apiKey: TEST_KEY,
      baseUrl: `${one.server.origin}${pasted}`,
      models: ["gpt-5.2"],
    }];
    using models = createModelRouter({ setups });
    const route = await models.resolve({ requested: "gpt-5.2", tool: "chat" });
    const { signal } = new AbortController();
    await models.chat(route, { messages: [{ role: "user", content: "Hi" }] }, { signal });
    assertEquals(one.server.responses[0]!.path, path, pasted);
  }
});

Deno.test("an Entra token takes the place of a key, and is fetched once for many calls", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const runs = join(dir, "runs");
    const token = tokenUntil(3600);
    for (const apiVersion of ["", DATED]) {
      const tokenCommand = `echo x >> ${runs} && echo ${token}`;
      const setup = { apiKey: "", apiVersion, tokenCommand, models: ["gpt-5.2"] };
      await using one = rig({ kind: "azure", setup, responses: [respond("Hi.")] });
      await Promise.all([one.ask("gpt-5.2"), one.ask("gpt-5.2"), one.ask("gpt-5.2")]);
      for (const { headers } of one.server.responses) {
        assertEquals([headers.get("authorization"), headers.get("api-key")], [`Bearer ${token}`, null]);
      }
      assertEquals((await Deno.readTextFile(runs)).trim(), "x");
      await Deno.remove(runs);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a token that is about to end is fetched anew, also out of the JSON of the Azure CLI", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const runs = join(dir, "runs");
    const printed = join(dir, "token.json");
    await Deno.writeTextFile(printed, JSON.stringify({ accessToken: tokenUntil(60), tokenType: "Bearer" }));
    const setup = { apiKey: "", tokenCommand: `echo x >> ${runs} && cat ${printed}`, models: ["gpt-5.2"] };
    await using one = rig({ kind: "azure", setup, responses: [respond("Hi.")] });
    await one.ask("gpt-5.2");
    await one.ask("gpt-5.2");
    assertEquals((await Deno.readTextFile(runs)).trim().split("\n").length, 2);
    assert(one.server.responses[0]!.headers.get("authorization")!.startsWith("Bearer ey"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a command that gives no token is told with its reason and what to do, and nothing is sent", async () => {
  for (
    const [tokenCommand, reason] of [
      ["echo 'Please run az login' >&2; exit 1", "Please run az login"],
      ["true", "it printed no token"],
      ["exai-no-such-program", "exai-no-such-program"],
    ] as const
  ) {
    const setup = { apiKey: "", tokenCommand, models: ["gpt-5.2"] };
    await using one = rig({ kind: "azure", setup, responses: [respond("Hi.")] });
    using tools = new TestTools({ models: one.models });
    const { isError, answer } = await tools.call("chat", { prompt: "hello", model: "gpt-5.2" });
    assertEquals([isError, one.server.requests.length], [true, 0]);
    assertStringIncludes(String(answer.content), reason);
    assertStringIncludes(String(answer.content), "AZURE_OPENAI_API_KEY");
  }
});

Deno.test("a deployment that is not there, a wrong key and Azure's filter are told apart", async () => {
  const setup = { models: ["gpt-5.2"] };
  const faultOf = async (status: number, error: JsonObject) => {
    await using one = rig({
      kind: "azure",
      setup,
      responses: [fail(status, { error })],
      scripts: [fail(status, { error })],
    });
    const { details, message } = await assertRejects(() => one.ask("gpt-5.2"), ExaiError);
    return [details?.fault, message] as const;
  };
  const [missing, where] = await faultOf(404, {
    code: "DeploymentNotFound",
    message: "The API deployment does not exist.",
  });
  assertEquals(missing, "refused");
  assertStringIncludes(where, "does not exist");
  assertEquals((await faultOf(401, { code: "401", message: "Access denied" }))[0], "auth");
  const [filtered, why] = await faultOf(400, {
    code: "content_filter",
    message: "The response was filtered",
  });
  assertEquals(filtered, "refused");
  assertStringIncludes(why, "filtered");
});

Deno.test("a mock of others' making is understood as Azure", async () => {
  const fixtures = [{ match: { userMessage: "greet" }, response: { content: "Hello." } }];
  const mock = await createServer(fixtures, { port: 0, logLevel: "silent" });
  try {
    const setups = [{
      kind: "azure" as const,
      apiKey: "k-123456",
      baseUrl: mock.url,
      apiVersion: DATED,
      models: ["gpt-4.1"],
    }];
    using models = createModelRouter({ setups });
    const route = await models.resolve({ requested: "azure/gpt-4.1", tool: "chat" });
    const { signal } = new AbortController();
    const { text } = await models.chat(route, { messages: [{ role: "user", content: "greet" }] }, { signal });
    assertEquals(text, "Hello.");
    assertEquals(mock.journal.getAll().map(({ path }) => path.split("?")[0]), [
      "/openai/deployments/gpt-4.1/chat/completions",
    ]);
  } finally {
    mock.server.closeAllConnections();
    await new Promise((resolve) => mock.server.close(resolve));
  }
});

Deno.test("a command that never ends does not hold a cancelled call, and one that prints for ever is stopped", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const fifo = join(dir, "fifo");
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    const setup = { apiKey: "", tokenCommand: `cat ${fifo}`, models: ["gpt-5.2"] };
    await using one = rig({ kind: "azure", setup, responses: [respond("Hi.")] });
    const abort = new AbortController();
    const asked = one.ask("gpt-5.2", {}, {
      signal: abort.signal,
      onProgress: ({ phase }) => phase === "sent" && queueMicrotask(() => abort.abort()),
    });
    await assertRejects(() => asked, ExaiError, "cancelled");
    await Deno.writeTextFile(fifo, "", { create: false });

    const endless = { apiKey: "", tokenCommand: "yes", models: ["gpt-5.2"] };
    await using other = rig({ kind: "azure", setup: endless, responses: [respond("Hi.")] });
    const error = await assertRejects(() => other.ask("gpt-5.2"), ExaiError);
    assertEquals([error.details?.fault, other.server.requests.length], ["auth", 0]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
