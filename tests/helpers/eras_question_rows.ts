/** The rows in which the server needs the client to go on. */
import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { ANSWERS } from "./era_client.ts";
import { type Row, textOf } from "./eras_pairing.ts";

export const ANSWERED = {
  who: { action: "accept", content: { name: "my name" } },
  color: { action: "accept", content: { color: "my color" } },
};

export const QUESTION_ROWS: Record<string, Row> = {
  "form": async ({ client }) => {
    const from = client.questions.length;
    assertEquals(JSON.parse(textOf(await client.call("ask_form"))), ANSWERED.who);
    const [question, ...others] = client.questions.slice(from);
    assertEquals(others, []);
    assertEquals(question!.method, "elicitation/create");
    assertEquals((question!.params as JsonObject).message, "What is your name?");
  },
  "url": async ({ client }) => {
    const from = client.questions.length;
    assertEquals(JSON.parse(textOf(await client.call("ask_url"))), { action: "accept" });
    const { mode, url, elicitationId } = client.questions[from]!.params as JsonObject;
    assertEquals([mode, url], ["url", "https://example.com/sign-in"]);
    assertEquals(typeof elicitationId, client.era === "legacy" ? "string" : "undefined");
  },
  "url first": async ({ client, upstream }) => {
    const args = { key: crypto.randomUUID() };
    if (client.era === "legacy" && upstream.era === "legacy") {
      const thrown = await client.call("sign_in", args).then(() => undefined, (thrown) => thrown);
      assertEquals((thrown as { code?: number })?.code, -32042);
      return void await client.call("sign_in", args);
    }
    const from = client.questions.length;
    assertEquals(textOf(await client.call("sign_in", args)), "signed in");
    assertEquals(
      (client.questions[from]!.params as JsonObject).url,
      `https://example.com/sign-in/${args.key}`,
    );
  },
  "two at once": async ({ client }) => {
    const from = client.questions.length;
    assertEquals(JSON.parse(textOf(await client.call("ask_two"))), [ANSWERED.who, ANSWERED.color]);
    assertEquals(client.questions.slice(from).length, 2);
  },
  "two rounds": async ({ client }) => {
    const from = client.questions.length;
    assertEquals(JSON.parse(textOf(await client.call("ask_twice"))), [ANSWERED.who, ANSWERED.color]);
    assertEquals(
      client.questions.slice(from).map(({ params }) => (params as JsonObject).message),
      ["What is your name?", "Which color?"],
    );
  },
  "sampling": async ({ client }) => {
    assertEquals(textOf(await client.call("sample")), "said by a model");
  },
  "roots": async ({ client }) => {
    const [root] = ANSWERS.roots().roots;
    assertEquals(JSON.parse(textOf(await client.call("roots"))), [root!.uri]);
  },
  "prompt that asks": async ({ client }) => {
    const { messages } = await client.prompt("test_input_required_result_prompt") as {
      messages: JsonObject[];
    };
    assertEquals((messages[0]!.content as JsonObject).text, "Context: my context");
  },
  "nobody to ask": async ({ client, upstream, raw }) => {
    if (!raw) return;
    assertEquals(client.era, "modern");
    const answer = await raw.ask("tools/call", { name: "ask_form" }, {});
    if (upstream.era === "legacy") {
      return assert(answer.error || (answer.result as JsonObject).isError, JSON.stringify(answer));
    }
    const { code, data } = answer.error as { code: number; data: JsonObject };
    assertEquals(code, -32021);
    assert((data.requiredCapabilities as JsonObject).elicitation, JSON.stringify(data));
  },
};
