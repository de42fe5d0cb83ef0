/** Answers that a client of the modern era sends with its first request, before it was asked. */
import { assertEquals } from "@std/assert";
import { accept, form, questionsIn, RoundTripClient, said } from "./helpers/round_trips.ts";

const ELICIT = "elicitation/create";

Deno.test("answers to what was not asked yet are taken by the name of the field", async () => {
  const client = new RoundTripClient(async ({ ask }) =>
    said((await ask(ELICIT, form("who?", "user_name"))).result)
  );
  using _ = client.roundTrips;
  const inputResponses = { user_name: accept({ user_name: "Ada" }), other: accept({}) };
  assertEquals(await client.send({ answers: { inputResponses } }), said(accept({ user_name: "Ada" })));
  for (const wrong of [{ wrong_key: accept({}) }, { user_name: 12345 }]) {
    const question = await client.send({ answers: { inputResponses: wrong } });
    assertEquals(Object.keys(questionsIn(question)), ["user_name"]);
  }
});

Deno.test("the only answer sent unasked that fills in a form is taken, whatever its name", async () => {
  const requestedSchema = {
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" } },
    required: ["name"],
  };
  const client = new RoundTripClient(async ({ ask }) =>
    said((await ask(ELICIT, { message: "who?", requestedSchema })).result)
  );
  using _ = client.roundTrips;
  const fits = accept({ name: "Ada", age: 36 });
  const strange = { a: accept({ foo: "bar" }), b: accept({ age: 36 }), c: accept({ name: 5 }), d: fits };
  assertEquals(await client.send({ answers: { inputResponses: strange } }), said(fits));
  const ambiguous = { d: fits, e: accept({ name: "Eve" }) };
  for (const inputResponses of [ambiguous, { f: { action: "decline" } }]) {
    const question = await client.send({ answers: { inputResponses } });
    assertEquals(Object.keys(questionsIn(question)), ["q1"]);
  }
});
