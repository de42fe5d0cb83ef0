import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { createModelRouter, type ProviderSetup } from "../lib/provider/configured_router.ts";
import { QUESTION } from "./helpers/provider_rig.ts";

/**
 * A server that keeps its connections open, answers the first request, and drops every later one once it has read it, as
 * one does that breaks down while a model thinks.
 */
class BreakingServer implements AsyncDisposable {
  requests = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #answer: JsonObject;
  readonly #done: Promise<unknown>;
  readonly #serving: Promise<void>[] = [];

  constructor(answer: JsonObject) {
    this.#answer = answer;
    this.#done = this.#run();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
    await Promise.all(this.#serving);
  }

  async #run(): Promise<void> {
    try {
      for await (const connection of this.#listener) this.#serving.push(this.#serve(connection));
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.BadResource)) throw thrown;
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    using _connection = connection;
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of connection.readable) {
      text += decoder.decode(chunk);
      const [head = "", body] = text.split("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (body === undefined || body.length < length) continue;
      text = "";
      this.requests++;
      if (this.requests > 1) return;
      const answer = JSON.stringify(this.#answer);
      const headers = `content-type: application/json\r\ncontent-length: ${answer.length}`;
      const writer = connection.writable.getWriter();
      await writer.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\n${answer}`));
      writer.releaseLock();
    }
  }
}

const PROVIDERS: Readonly<Partial<Record<ProviderSetup["kind"], { model: string; answer: JsonObject }>>> = {
  openai: {
    model: "gpt-4.1",
    answer: { choices: [{ message: { content: "Hello." }, finish_reason: "stop" }] },
  },
  gemini: {
    model: "gemini-2.5-flash",
    answer: { candidates: [{ content: { parts: [{ text: "Hello." }] }, finishReason: "STOP" }] },
  },
  anthropic: {
    model: "claude-haiku-4-5",
    answer: { type: "message", content: [{ type: "text", text: "Hello." }], stop_reason: "end_turn" },
  },
};

Deno.test("a question is not sent again by itself when the connection breaks on which another was answered", async () => {
  for (const [kind, { model, answer }] of Object.entries(PROVIDERS)) {
    await using server = new BreakingServer(answer);
    const setups = [{ kind: kind as ProviderSetup["kind"], apiKey: "key-1234", baseUrl: server.url }];
    using models = createModelRouter({ setups });
    const route = await models.resolve({ requested: model, tool: "chat" });
    const { signal } = new AbortController();
    assertEquals((await models.chat(route, QUESTION, { signal })).text, "Hello.");
    const error = await assertRejects(() => models.chat(route, QUESTION, { signal }), ExaiError);
    assertEquals([error.details?.fault, server.requests], ["cut", 2], kind);
  }
});
