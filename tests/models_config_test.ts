import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { openModels } from "../lib/cli/providers.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { readModels } from "../lib/config/models.ts";
import { statePaths } from "../lib/config/paths.ts";
import type { Settings } from "../lib/config/settings.ts";
import { hang, OpenAiServer, say } from "./fixtures/openai_server.ts";
import { QUESTION } from "./helpers/provider_rig.ts";

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

function open(home: string, overrides: Partial<Settings>) {
  const settings = defaultSettings({ home, findLocal: false, ...overrides });
  return openModels(settings, statePaths(settings));
}

Deno.test("a provider with a key is set up, under either of its names, and no other", async () => {
  await withHome(undefined, async (home) => {
    const names = async (overrides: Partial<Settings>) => {
      using models = await open(home, overrides);
      return models.status().map(({ name }) => name);
    };
    assertEquals(await names({}), []);
    assertEquals(await names({ kimiApiKey: "k-123456" }), ["kimi"]);
    assertEquals(await names({ moonshotApiKey: "k-123456", zhipuaiApiKey: "z-123456" }), ["kimi", "glm"]);
    assertEquals(await names({ openaiApiKey: "o-123456", openrouterApiKey: "r-123456" }), [
      "openai",
      "openrouter",
    ]);
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
    using models = await open(home, {});
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
  "models": [{ "name": "a", "thinking": "hard" }, { "name": "b", "auto": false }],
  "model": []
}`;
  await withHome(text, async (home) => {
    const file = await readModels(join(home, "models.json"), {});
    assertEquals(file.providers.map(({ name }) => name), ["good"]);
    assertEquals(file.models.map(({ name }) => name), ["b"]);
    assertEquals(file.faults.map(({ line, key }) => [line, key]), [
      [10, "model"],
      [3, "providers.kimi"],
      [4, "providers.lab.url"],
      [5, "providers.desk.key"],
      [6, "providers.env"],
      [9, "models[0].thinking"],
    ]);
    assert(file.faults.some(({ message }) => message.includes("NOT_SET")));
  });
});

Deno.test("a models.json that cannot be read as JSON costs nothing but itself", async () => {
  await withHome('{ "models": [', async (home) => {
    const file = await readModels(join(home, "models.json"), {});
    assertEquals([file.models, file.faults.length], [[], 1]);
    using models = await open(home, { kimiApiKey: "k-123456" });
    assertEquals(models.status().length, 1);
  });
});

Deno.test("Kimi is sent as many requests at once as its cap says, the others wait their turn", async () => {
  await using server = new OpenAiServer(hang(), say("My turn."));
  await withHome(undefined, async (home) => {
    const settings = { kimiApiKey: "k-123456", kimiUrl: server.url, kimiMaxInflight: 1, queueMax: 1 };
    using models = await open(home, settings);
    const route = await models.resolve({ requested: "kimi-k2.6", tool: "chat" });
    const first = new AbortController();
    const { signal } = new AbortController();
    const holding = models.chat(route, QUESTION, { signal: first.signal });
    holding.catch(() => {});
    await server.asked(1);
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
