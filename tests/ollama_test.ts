import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { ollamaOrigin } from "../lib/provider/local/ollama.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import { OpenAiServer, say } from "./fixtures/openai_server.ts";
import { assertDocumented } from "./helpers/documented_bodies.ts";
import { QUESTION } from "./helpers/provider_rig.ts";

/** A server that is Ollama: its own API beside that of OpenAI. */
function ollama() {
  const server = new OpenAiServer(say("From your own machine."));
  const shown: Record<string, JsonObject> = {
    "qwen3:8b": {
      capabilities: ["completion", "tools", "thinking"],
      parameters: "stop x\nnum_ctx    16384\n",
    },
    "gemma3:latest": { capabilities: ["completion", "vision"] },
    "nomic-embed-text:latest": { capabilities: ["embedding"] },
  };
  server.other = ({ path, body }) => {
    switch (path) {
      case "/api/version":
        return Response.json({ version: "0.13.0" });
      case "/api/tags":
        return Response.json({ models: Object.keys(shown).map((name) => ({ name })) });
      case "/api/ps":
        return Response.json({ models: [{ name: "gemma3:latest", context_length: 8192 }] });
      case "/api/show":
        return Response.json(shown[String(body.model)] ?? {});
      default:
        return new Response(null, { status: 404 });
    }
  };
  return { server, host: new URL(server.url).host };
}

Deno.test("an Ollama that runs is found by itself, with what its models can do and the window they have", async () => {
  const { server, host } = ollama();
  await using _server = server;
  using models = createModelRouter({ setups: [], ollamaHost: host });
  const route = await models.resolve({ tool: "chat" });
  assertEquals([route.model.provider, route.model.name], ["ollama", "qwen3:8b"]);
  assertEquals(route.model.contextTokens, 16_384, "what its file sets");
  const [status] = models.status();
  assertEquals([status?.name, status?.kind, status?.available], ["ollama", "custom", true]);
  assertEquals(
    status?.models.map(({ name, contextTokens, abilities }) => [name, contextTokens, abilities.images]),
    [
      ["qwen3:8b", 16_384, false],
      ["gemma3:latest", 8192, true],
    ],
  );
  const { signal } = new AbortController();
  const thinking = await models.chat(route, { ...QUESTION, thinkingMode: "high" }, { signal });
  assertEquals(thinking.text, "From your own machine.");
  assertDocumented("custom", server.lastBody);
  assertEquals(server.lastBody.reasoning_effort, "high");
  assertEquals((await models.resolve({ requested: "gemma3", tool: "chat" })).model.name, "gemma3:latest");
});

Deno.test("an Ollama that starts later is found when the lists are asked for anew, and forgotten when it stops", async () => {
  const { server, host } = ollama();
  const { other } = server;
  await using _server = server;
  server.other = () => new Response(null, { status: 503 });
  using models = createModelRouter({ setups: [], ollamaHost: host });
  await models.refresh();
  assertEquals(models.status().length, 0);
  server.other = other;
  await models.refresh();
  assertEquals(models.status().map(({ name }) => name), ["ollama"]);
  server.other = () => new Response(null, { status: 503 });
  await models.refresh();
  assertEquals(models.status().length, 0);
});

Deno.test("a server on Ollama's port that is something else is left alone", async () => {
  await using server = new OpenAiServer();
  server.other = () => Response.json({ version: 3 });
  using models = createModelRouter({ setups: [], ollamaHost: new URL(server.url).host });
  await models.refresh();
  assertEquals(models.status().length, 0);
  assert(server.requests.every(({ path }) => path === "/api/version"));
});

Deno.test("OLLAMA_HOST is read as Ollama reads it", () => {
  const cases = {
    "": "http://127.0.0.1:11434",
    "0.0.0.0": "http://127.0.0.1:11434",
    ":9999": "http://127.0.0.1:9999",
    "10.0.0.5": "http://10.0.0.5:11434",
    "box.lan:8080": "http://box.lan:8080",
    "[::1]:1234": "http://[::1]:1234",
    "http://box.lan": "http://box.lan:80",
    "https://box.lan/": "https://box.lan:443",
    " http://box.lan:7/ ": "http://box.lan:7",
  };
  for (const [host, origin] of Object.entries(cases)) assertEquals(ollamaOrigin(host), origin, host);
});
