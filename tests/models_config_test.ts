import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { ConfiguredModels } from "../lib/app/model_providers.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { readModels } from "../lib/config/models_file.ts";
import { statePaths } from "../lib/config/paths.ts";
import type { Settings } from "../lib/config/settings.ts";
import { after, fail, hang, OpenAiServer, say } from "./fixtures/openai_server.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { QUESTION } from "./helpers/provider_rig.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

/** A home of the test's own with `models.json` in it. */
async function withHome(text: string | undefined, work: (home: string) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    if (text !== undefined) await Deno.writeTextFile(join(home, "models.json"), text);
    await work(home);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

function open(home: string, overrides: Partial<Settings> = {}, onChange?: () => void) {
  const settings = defaultSettings({ home, findLocal: false, ...overrides });
  return ConfiguredModels.open(settings, statePaths(settings), { onChange });
}

Deno.test("a provider with a key is set up, under either of its names, and no other", async () => {
  await withHome(undefined, async (home) => {
    const names = async (overrides: Partial<Settings>) => {
      await using configured = await open(home, overrides);
      const models = configured.router;
      return models.status().map(({ name }) => name);
    };
    assertEquals(await names({}), []);
    assertEquals(await names({ kimiApiKey: "k-123456" }), ["kimi"]);
    assertEquals(await names({ moonshotApiKey: "k-123456", zhipuaiApiKey: "z-123456" }), ["kimi", "glm"]);
    assertEquals(await names({ openaiApiKey: "o-123456", openrouterApiKey: "r-123456" }), [
      "openai",
      "openrouter",
    ]);
    assertEquals(await names({ xaiApiKey: "x-123456" }), ["xai"]);
    assertEquals(await names({ azureApiKey: "a-123456" }), [], "a resource of Azure takes an address");
    assertEquals(
      await names({ azureEndpoint: "https://acme.openai.azure.com" }),
      ["azure"],
      "by Entra token",
    );
    assertEquals(await names({ customApiKey: "c-123456" }), [], "a custom server takes an address");
    const customUrl = "http://127.0.0.1:9/v1";
    assertEquals(await names({ customUrl, customModel: "m" }), ["custom"]);
  });
});

Deno.test("custom providers and models of models.json are there, with keys from the environment", async () => {
  await using server = new OpenAiServer(say("From the lab."));
  const text = `{
    // comments are allowed
    "providers": { "lab": { "url": "${server.url}", "apiKey": "\${env:LAB_KEY:-lab-key-1}", "models": ["llama"] } },
    "models": [{ "name": "llama", "provider": "lab", "aliases": ["mine"], "contextTokens": 9000 }],
  }`;
  await withHome(text, async (home) => {
    await using configured = await open(home);
    const models = configured.router;
    const route = await models.resolve({ requested: "mine", tool: "chat" });
    assertEquals([route.model.provider, route.model.name, route.model.contextTokens], ["lab", "llama", 9000]);
    const { signal } = new AbortController();
    assertEquals((await models.chat(route, QUESTION, { signal })).text, "From the lab.");
    assertEquals(server.chats[0]?.headers.get("authorization"), "Bearer lab-key-1");
  });
});

Deno.test("a faulty entry is told by file, line and key, and hides no other", async () => {
  const text = `{
  "providers": {
    "kimi": { "url": "http://a.example/v1" },
    "lab": { "url": "lab.example" },
    "desk": { "url": "http://desk.example/v1", "key": "x" },
    "env": { "url": "http://env.example/v1", "apiKey": "\${env:NOT_SET}" },
    "good": { "url": "http://good.example/v1" }
  },
  "models": [
    { "name": "a", "thinking": "hard" }, { "name": "b", "auto": false },
    { "name": "c", "images": "yes" },
    { "name": "d", "price": { "input": 1, "outptu": 2 } }
  ],
  "model": []
}`;
  await withHome(text, async (home) => {
    const file = await readModels(join(home, "models.json"), {});
    assertEquals(file.providers.map(({ name }) => name), ["good"]);
    assertEquals(file.models.map(({ name }) => name), ["b"]);
    assertEquals(file.faults.map(({ line, key }) => [line, key]), [
      [14, "model"],
      [3, "providers.kimi"],
      [4, "providers.lab.url"],
      [5, "providers.desk.key"],
      [6, "providers.env"],
      [10, "models[0].thinking"],
      [11, "models[2].images"],
      [12, "models[3].price.output"],
      [12, "models[3].price.outptu"],
    ]);
    const said = (at: string) => file.faults.find(({ key }) => key === at)?.message ?? "";
    assertStringIncludes(said("providers.desk.key"), "is no key here; allowed: url, apiKey, headers");
    assertStringIncludes(said("models[2].images"), "must be true or false");
    assertStringIncludes(said("models[3].price.outptu"), 'is no key here; price must be {"input": …');
    assert(file.faults.some(({ message }) => message.includes("NOT_SET")));
  });
});

Deno.test("a models.json that cannot be read as JSON costs nothing but itself", async () => {
  await withHome('{ "models": [', async (home) => {
    const file = await readModels(join(home, "models.json"), {});
    assertEquals([file.models, file.faults.length], [[], 1]);
    await using configured = await open(home, { kimiApiKey: "k-123456" });
    const models = configured.router;
    assertEquals(models.status().length, 1);
  });
});

Deno.test("Kimi is sent as many requests at once as its cap says, the others wait their turn", async () => {
  await using server = new OpenAiServer(hang(), say("My turn."));
  await withHome(undefined, async (home) => {
    const settings = { kimiApiKey: "k-123456", kimiUrl: server.url, kimiMaxInflight: 1, queueMax: 1 };
    await using configured = await open(home, settings);
    const models = configured.router;
    const route = await models.resolve({ requested: "kimi-k2.6", tool: "chat" });
    const first = new AbortController();
    const { signal } = new AbortController();
    const holding = models.chat(route, QUESTION, { signal: first.signal });
    holding.catch(() => {});
    await server.askedFor(1);
    const queued = Promise.withResolvers<void>();
    const waiting = models.chat(route, QUESTION, { signal, onProgress: () => queued.resolve() });
    await queued.promise;
    const error = await assertRejects(() => models.chat(route, QUESTION, { signal }), ExaiError);
    assertEquals(error.code, "OVER_CAPACITY");
    assert(error.message.startsWith("kimi already has 1 calls"), error.message);
    assertEquals(server.chats.length, 1);
    first.abort();
    await assertRejects(() => holding, ExaiError);
    assertEquals((await waiting).text, "My turn.");
  });
});

const lab = (url: string, more: JsonObject = {}) =>
  JSON.stringify({ providers: { lab: { url, models: ["llama"], ...more } } });

Deno.test("a change of models.json takes effect while running, and a call under way ends where it began", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = new OpenAiServer(after(gate.promise, say("From the lab.")));
  await withHome(lab(server.url), async (home) => {
    let onChange = () => {};
    await using configured = await open(home, {}, () => onChange());
    const { router } = configured;
    const { signal } = new AbortController();
    const route = await router.resolve({ requested: "llama", tool: "chat" });
    const answer = router.chat(route, QUESTION, { signal });
    await server.askedFor(1);
    const changed = new Promise<void>((resolve) => onChange = resolve);
    const moved = { providers: { desk: { url: server.url, models: ["qwen"] } } };
    await Deno.writeTextFile(join(home, "models.json"), JSON.stringify(moved));
    await changed;
    assertEquals(router.status().map(({ name }) => name), ["desk"]);
    const error = await assertRejects(() => router.resolve({ requested: "llama", tool: "chat" }), ExaiError);
    assert(error.message.includes("Available: qwen"), error.message);
    gate.resolve();
    assertEquals((await answer).text, "From the lab.");
  });
});

Deno.test("what a change leaves as it was keeps its state: its lists and its open breaker", async () => {
  await using server = new OpenAiServer(fail(500, { error: { message: "broken" } }, { "retry-after": "0" }));
  server.models = [{ id: "found" }];
  await withHome(lab(server.url), async (home) => {
    await using configured = await open(home);
    const { router } = configured;
    const { signal } = new AbortController();
    const route = await router.resolve({ requested: "found", tool: "chat" });
    // Each is asked three times, and ten failures open the breaker of a model.
    for (let n = 0; n < 4; n++) {
      await assertRejects(() => router.chat(route, QUESTION, { signal }), ExaiError);
    }
    assertEquals(router.status()[0]!.available, false);
    const models = { ...JSON.parse(lab(server.url)), models: [{ name: "found", contextTokens: 5000 }] };
    await Deno.writeTextFile(join(home, "models.json"), JSON.stringify(models));
    await configured.reload();
    const [status] = router.status();
    assertEquals([status!.available, status!.models.map(({ name }) => name)], [false, ["found", "llama"]]);
    assertEquals(status!.models[0]!.contextTokens, 5000);
  });
});

Deno.test("a faulty change of models.json takes nothing down, and health and reload say what is wrong", async () => {
  await using server = new OpenAiServer();
  await withHome(lab(server.url), async (home) => {
    await using it = await testDaemon({ settings: { home, findLocal: false } });
    using client = await RawClient.hello(it.url);
    const path = join(home, "models.json");
    const health = async () => (await (await fetch(`${it.http}health`)).json()).reasons;
    const names = async () => {
      const listed = JSON.parse(firstText(await client.call("listmodels", { provider: "custom" })));
      return listed.content.providers.map(({ name }: JsonObject) => name);
    };
    const reload = async (text: string | undefined) => {
      await (text === undefined ? Deno.remove(path) : Deno.writeTextFile(path, text));
      return (await (await fetch(`${it.http}reload`, { method: "POST" })).json()).faults;
    };
    assertEquals([await names(), await health()], [["lab"], []]);
    const desk = `"desk": {"url": "${server.url}"}`;
    const faulty: [string | undefined, string, string[]][] = [
      ['{"providers": {', `${path}:1`, ["lab"]],
      [`{"providers": {"lab": {"url": "nowhere"}, ${desk}}}`, "providers.lab.url must be a URL", [
        "desk",
        "lab",
      ]],
      [undefined, "is gone or empty; what it said stays", ["desk", "lab"]],
    ];
    for (const [text, fault, left] of faulty) {
      const faults = await reload(text);
      assert(faults.length === 1 && faults[0].includes(fault), faults.join());
      assertEquals([await health(), await names()], [faults, left]);
    }
    assertEquals([await reload(`{"providers": {${desk}}}`), await names(), await health()], [
      [],
      ["desk"],
      [],
    ]);
    await client.close();
  });
});
