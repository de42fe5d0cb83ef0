// Responses that run in the background of OpenAI, where models.json asks for that.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { type Recorded, type Script } from "./fixtures/openai_server.ts";
import { breakOff, breakOffAfter, finalResponse, respond, stream } from "./fixtures/response_events.ts";
import { assertDocumentedResponse } from "./helpers/documented_responses.ts";
import { rig } from "./helpers/provider_rig.ts";

const models = [{ name: "gpt-5.5-pro", provider: "openai", background: true }];

/** A rig that asks in the background, whose server does as `resumed` say when a response is asked for again. */
function backgroundRig(first: Script, ...resumed: Script[]) {
  const one = rig({ responses: [first], models });
  one.server.other = async (request: Recorded) => {
    if (request.method !== "GET") return Response.json({ id: "resp_1", deleted: true });
    return await (resumed.shift() ?? (() => new Response(null, { status: 404 })))(request);
  };
  return {
    ...one,
    ask: () => one.ask("gpt-5.5-pro"),
    asked: () => one.server.requests.map(({ method, path, search }) => `${method} ${path}${search}`),
    [Symbol.asyncDispose]: () => one[Symbol.asyncDispose](),
  };
}

/** The rest of an answer, from its second event on. */
function rest(text: string): Script {
  return (request) =>
    stream(
      {
        type: "response.output_text.delta",
        output_index: 0,
        item_id: "msg_1",
        delta: text,
        sequence_number: 50,
      },
      { type: "response.completed", response: finalResponse(`Half an${text}`), sequence_number: 51 },
    )(request);
}

Deno.test("a response in the background is kept only until its answer is there", async () => {
  await using one = backgroundRig(respond("Done."));
  assertEquals((await one.ask()).text, "Done.");
  const { body } = one.server.responses[0]!;
  assertDocumentedResponse("background", body);
  assertEquals([body.background, body.store, body.stream], [true, true, true]);
  assertEquals(one.asked(), ["POST /responses", "DELETE /responses/resp_1"]);
});

Deno.test("a stream that breaks is taken up where it was, and the model is asked once", async () => {
  await using one = backgroundRig(breakOff("Half an"), breakOff(""), rest(" answer."));
  assertEquals((await one.ask()).text, "Half an answer.");
  const asked = one.asked();
  assertEquals(asked.filter((request) => request.startsWith("POST")), ["POST /responses"]);
  const [first, second] = asked.filter((request) => request.startsWith("GET"));
  assert(first!.startsWith("GET /responses/resp_1?stream=true&starting_after="), first);
  assert(second !== undefined);
  assertEquals(asked.at(-1), "DELETE /responses/resp_1");
});

Deno.test("a stream may break as often as it goes on in between", async () => {
  let sequence = 50;
  const bit: Script = (request) =>
    breakOffAfter({
      type: "response.output_text.delta",
      output_index: 0,
      item_id: "msg_1",
      delta: ".",
      sequence_number: sequence++,
    })(request);
  await using one = backgroundRig(breakOff("Half an"), bit, bit, bit, bit, bit, bit, rest(" answer."));
  assertEquals((await one.ask()).text, "Half an...... answer.");
  assertEquals(one.server.responses.length, 1);
});

Deno.test("a response that cannot be taken up is a broken answer: not refused, and not asked again", async () => {
  await using one = backgroundRig(breakOff("Half an"));
  const error = await assertRejects(() => one.ask(), ExaiError);
  assertEquals([error.details?.fault, one.server.responses.length, one.server.chats.length], ["cut", 1, 0]);
});

Deno.test("a cancelled call cancels the response in the background", async () => {
  const begun = { id: "resp_1", object: "response", status: "in_progress", output: [] };
  const open: Script = async (request) => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const event: JsonObject = { type: "response.created", sequence_number: 0, response: begun };
    writer.write(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`)).catch(() => {});
    request.closed.then(() => writer.abort().catch(() => {}));
    return await Promise.resolve(
      new Response(readable, { headers: { "content-type": "text/event-stream" } }),
    );
  };
  await using one = rig({ responses: [open], models });
  one.server.other = () => Response.json({ id: "resp_1" });
  const abort = new AbortController();
  const asked = one.ask("gpt-5.5-pro", {}, {
    signal: abort.signal,
    onProgress: ({ phase }) => phase === "thinking" && queueMicrotask(() => abort.abort()),
  });
  await assertRejects(() => asked, ExaiError, "cancelled");
  assertEquals(one.server.requests.map(({ method, path }) => `${method} ${path}`), [
    "POST /responses",
    "POST /responses/resp_1/cancel",
    "DELETE /responses/resp_1",
  ]);
});

Deno.test("a response whose events do not tell its state is taken up as well", async () => {
  const begun = { type: "response.created", response: { id: "resp_1" }, sequence_number: 0 };
  await using one = backgroundRig(breakOffAfter(begun), rest("Done."));
  assertEquals((await one.ask()).text, "Done.");
  assertEquals(one.server.responses.length, 1);
});
