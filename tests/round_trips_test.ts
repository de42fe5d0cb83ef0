import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RoundTrips } from "../lib/round_trips/round_trips.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { accept, asked, form, heeded, questionsIn, RoundTripClient, said } from "./helpers/round_trips.ts";

const ELICIT = "elicitation/create";

function asksName() {
  return new RoundTripClient(async ({ ask }) => said((await ask(ELICIT, form("who?", "user_name"))).result));
}

function codeOf({ error }: Result): number | undefined {
  return error?.code;
}

Deno.test("a question ends its request, and the next one brings the answer and gets the result", async () => {
  const client = asksName();
  using _ = client.roundTrips;
  const question = await client.send();
  assertEquals(questionsIn(question), { user_name: { method: ELICIT, params: form("who?", "user_name") } });
  const result = await client.answer(question, { user_name: accept({ user_name: "Ada" }) });
  assertEquals(result, said(accept({ user_name: "Ada" })));
  assertEquals([client.started, client.roundTrips.parked], [1, 0]);
});

Deno.test("questions that come together are asked together, each under a key of its own", async () => {
  const client = new RoundTripClient(async ({ ask }) => {
    const answers = await Promise.all([
      ask(ELICIT, form("one?", "name")),
      ask(ELICIT, form("two?", "name")),
      ask(ELICIT, form("three?", "a", "b")),
      ask("roots/list", {}),
    ]);
    return said(answers.map(({ result }) => result!));
  });
  using _ = client.roundTrips;
  const question = await client.send();
  assertEquals(Object.keys(questionsIn(question)), ["name", "q1", "q2", "q3"]);
  const answers = {
    name: accept({ name: "1" }),
    q1: accept({ name: "2" }),
    q2: { action: "decline" },
    q3: { roots: [{ uri: "file:///x" }] },
  };
  assertEquals(await client.answer(question, { ...answers, unknown: 5 }), said(Object.values(answers)));
});

Deno.test("what is missing is asked again, under the same keys, and rounds follow one another", async () => {
  const client = new RoundTripClient(async ({ ask }) => {
    const both = await Promise.all([ask(ELICIT, form("a?", "a")), ask(ELICIT, form("b?", "b"))]);
    const last = await ask(ELICIT, form("c?", "a"));
    return said([...both, last].map(({ result }) => result!));
  });
  using _ = client.roundTrips;
  const first = await client.send();
  const second = await client.answer(first, { a: accept({ a: "1" }) });
  assertEquals(Object.keys(questionsIn(second)), ["b"]);
  const nothing = await client.answer(second, {});
  assertEquals(Object.keys(questionsIn(nothing)), ["b"]);
  const third = await client.answer(nothing, { b: accept({ b: "2" }) });
  assertEquals(Object.keys(questionsIn(third)), ["q1"], "a key is used once in a call");
  const result = await client.answer(third, { q1: accept({ a: "3" }) });
  assertEquals(result, said([accept({ a: "1" }), accept({ b: "2" }), accept({ a: "3" })]));
});

Deno.test("an invalid answer is refused with what is wrong, and a valid one is taken after it", async () => {
  const client = asksName();
  using _ = client.roundTrips;
  const question = await client.send();
  for (const answer of [12345, { action: "perhaps" }, { action: "accept", content: "x" }]) {
    const refused = await client.answer(question, { user_name: answer });
    assertEquals(codeOf(refused), -32602);
    assertStringIncludes(refused.error!.message, 'inputResponses["user_name"]');
  }
  const result = await client.answer(question, { user_name: { action: "decline" } });
  assertEquals(result, said({ action: "decline" }));
});

Deno.test("answers of sampling and roots are checked as what they are", async () => {
  const client = new RoundTripClient(async ({ ask }) => {
    const params = { messages: [], maxTokens: 5 };
    const answers = await Promise.all([ask("sampling/createMessage", params), ask("roots/list", {})]);
    return said(answers.map(({ result }) => result!));
  });
  using _ = client.roundTrips;
  const question = await client.send();
  const message = { role: "assistant", content: { type: "text", text: "Ada" }, model: "m" };
  for (const q1 of [{ ...message, model: 1 }, { ...message, content: "Ada" }, { ...message, role: "x" }]) {
    assertEquals(codeOf(await client.answer(question, { q1, q2: { roots: [] } })), -32602);
  }
  assertEquals(codeOf(await client.answer(question, { q1: message, q2: { roots: ["/"] } })), -32602);
  assertEquals(
    await client.answer(question, { q1: message, q2: { roots: [] } }),
    said([message, { roots: [] }]),
  );
});

Deno.test("a client is asked only what it has declared, and only on behalf of three methods", async () => {
  const client = new RoundTripClient(async ({ ask }) => said((await ask(ELICIT, form("who?", "n"))).result));
  using _ = client.roundTrips;
  const refused = await client.send({ caller: asked({ capabilities: { sampling: {} } }) });
  assertEquals(refused.error?.message, "METHOD_NOT_FOUND");
  const byUrl = await client.send({ caller: asked({ capabilities: { elicitation: { url: {} } } }) });
  assertEquals(byUrl.error?.message, "INVALID_PARAMS");
  const completion = await client.send({ method: "completion/complete" });
  assertEquals(completion.error?.message, "METHOD_NOT_FOUND");
  for (const method of ["prompts/get", "resources/read"]) questionsIn(await client.send({ method }));
});

Deno.test("what no client of the era can be sent is left out of a question", async () => {
  const url = { mode: "url", message: "sign in", url: "https://x.test/", elicitationId: "e1" };
  const client = new RoundTripClient(async ({ ask }) =>
    said((await ask(ELICIT, { ...url, task: { ttl: 1 }, _meta: { progressToken: 1 } })).result)
  );
  using _ = client.roundTrips;
  const { elicitationId: _id, ...shown } = url;
  assertEquals(questionsIn(await client.send()), { q1: { method: ELICIT, params: shown } });
});

Deno.test("the same retry joins the first, also after its result; with other answers it is refused", async () => {
  const client = asksName();
  using _ = client.roundTrips;
  const question = await client.send();
  const answers = { user_name: accept({ user_name: "Ada", x: 1 }) };
  const same = { user_name: { content: { x: 1, user_name: "Ada" }, action: "accept" } };
  const results = await Promise.all([client.answer(question, answers), client.answer(question, answers)]);
  const late = await client.answer(question, same);
  assertEquals([...results, late], Array(3).fill(said(accept({ user_name: "Ada", x: 1 }))));
  assertEquals(client.started, 1);
  const other = await client.answer(question, { user_name: accept({ user_name: "Eve" }) });
  assertEquals(codeOf(other), -32602);
  assertStringIncludes(other.error!.message, "answered before");
});

Deno.test("a retry with partial answers, sent twice, is asked the same twice", async () => {
  const client = new RoundTripClient(async ({ ask }) => {
    await Promise.all([ask(ELICIT, form("a?", "a")), ask(ELICIT, form("b?", "b"))]);
    return said("done");
  });
  using _ = client.roundTrips;
  const first = await client.send();
  const [one, two] = await Promise.all([
    client.answer(first, { a: accept({}) }),
    client.answer(first, { a: accept({}) }),
  ]);
  assertEquals(one, two);
  assertEquals(await client.answer(one, { b: accept({}) }), said("done"));
  const old = await client.answer(first, { b: accept({}) });
  assertEquals(codeOf(old), -32602);
});

Deno.test("a state that was changed, or belongs to other clients or requests, is refused with what to do", async () => {
  const client = asksName();
  using _ = client.roundTrips;
  const question = await client.send();
  const requestState = String(question.result?.requestState);
  const inputResponses = { user_name: accept({}) };
  const flipped = requestState.slice(0, -3) + (requestState.at(-3) === "A" ? "B" : "A") +
    requestState.slice(-2);
  for (const state of [flipped, `${requestState}-TAMPERED`, "made up", "", ` ${requestState}`]) {
    const refused = await client.send({ answers: { inputResponses, requestState: state } });
    assertEquals(codeOf(refused), -32602, state);
    assertStringIncludes(refused.error!.message, "send the request without requestState");
  }
  const eve = asked({ privateOwner: () => Promise.resolve({ principal: "eve", workspace: "session 1" }) });
  for (
    const parts of [
      { caller: eve },
      { params: { name: "probe", arguments: { a: 2 } } },
      { params: { name: "other", arguments: { a: 1 } } },
      { method: "prompts/get" },
      { caller: asked({ server: "one" }) },
    ]
  ) {
    assertEquals(codeOf(await client.answer(question, inputResponses, parts)), -32602, JSON.stringify(parts));
  }
  const meta = { _meta: { progressToken: 9 }, arguments: { a: 1 }, name: "probe" };
  assertEquals(await client.answer(question, inputResponses, { params: meta }), said(accept({})));
});

Deno.test("what a call sends goes to the request that is open, and to none while there is none", async () => {
  const go = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const log = { level: "info", data: "x" };
  const client = new RoundTripClient(async ({ ask, notify }) => {
    notify("notifications/message", log);
    const answer = ask(ELICIT, form("who?", "n"));
    await go.promise;
    notify("notifications/message", log);
    told.resolve();
    await answer;
    notify("notifications/message", log);
    return said("done");
  });
  using _ = client.roundTrips;
  const question = await client.send();
  go.resolve();
  await told.promise;
  await client.answer(question, { n: accept({}) });
  assertEquals(client.told, [[1, "notifications/message"], [2, "notifications/message"]]);
});

Deno.test("what a call sends goes to a retry that is open, also once a later one of the same is withdrawn", async () => {
  const [begin, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const client = new RoundTripClient(async ({ ask, notify }) => {
    await ask(ELICIT, form("who?", "n"));
    begin.resolve();
    await go.promise;
    notify("notifications/message", { level: "info", data: "x" });
    return said("done");
  });
  using _ = client.roundTrips;
  const question = await client.send();
  const first = client.answer(question, { n: accept({}) });
  await begin.promise;
  const controller = new AbortController();
  const isHeeded = heeded(controller.signal);
  const second = client.answer(question, { n: accept({}) }, { controller });
  await isHeeded;
  controller.abort();
  go.resolve();
  assertEquals(await Promise.all([first, second]), [said("done"), said("done")]);
  assertEquals(client.told, [[2, "notifications/message"]]);
});

Deno.test("a call that ends before its client comes back has its result for it at once", async () => {
  const asking = Promise.withResolvers<void>();
  const withdrawn = new AbortController();
  const client = new RoundTripClient(async ({ ask }) => {
    const answer = ask(ELICIT, form("who?", "n"), { signal: withdrawn.signal });
    asking.resolve();
    return said(await answer.then(() => "answered", () => "withdrawn"));
  });
  using _ = client.roundTrips;
  const question = await client.send();
  await asking.promise;
  withdrawn.abort();
  assertEquals(await client.answer(question, { n: accept({}) }), said("withdrawn"));
});

Deno.test("a question that is withdrawn before it is shown is not asked", async () => {
  const withdrawn = new AbortController();
  const client = new RoundTripClient(async ({ ask }) => {
    const answer = ask(ELICIT, form("who?", "n"), { signal: withdrawn.signal });
    withdrawn.abort();
    return said(await answer.catch(() => "withdrawn") as string);
  });
  using _ = client.roundTrips;
  assertEquals(await client.send(), said("withdrawn"));
});

Deno.test("the withdrawal of a request ends its call: of the first, of a retry, not of one that was answered", async () => {
  const never = Promise.withResolvers<void>();
  const client = new RoundTripClient(async ({ ask }) => {
    await ask(ELICIT, form("who?", "n"));
    await never.promise;
    return said("never");
  });
  using _ = client.roundTrips;
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
  const running = client.send({ controller: first });
  first.abort(new DOMException("gone"));
  assertEquals((await running).error?.message, "aborted");
  const question = await client.send({ controller: second });
  second.abort();
  assertEquals(client.cancelled.length, 1);
  const again = new AbortController();
  const areHeeded = [third, again].map(({ signal }) => heeded(signal));
  const retry = client.answer(question, { n: accept({}) }, { controller: third });
  const joined = client.answer(question, { n: accept({}) }, { controller: again });
  await Promise.all(areHeeded);
  third.abort();
  assertEquals(client.cancelled.length, 1, "one more waits for it");
  again.abort();
  assertEquals([(await retry).error?.message, (await joined).error?.message], ["aborted", "aborted"]);
});

Deno.test("what a server of the era asks passes on with a state of the daemon's, and comes back as its own", async () => {
  const seen: unknown[] = [];
  const client = new RoundTripClient(({ answers, trace }) => {
    trace!.server = "files";
    seen.push(answers);
    return Promise.resolve(
      answers?.requestState === undefined
        ? {
          result: {
            resultType: "input_required",
            inputRequests: { user_name: { method: ELICIT, params: form("who?", "name") } },
            requestState: "its own",
            extra: 1,
          },
        }
        : said("done"),
    );
  });
  using _ = client.roundTrips;
  const question = await client.send();
  assertEquals(Object.keys(questionsIn(question)), ["user_name"]);
  assertEquals(question.result?.extra, 1);
  assert(question.result?.requestState !== "its own");
  const inputResponses = { user_name: accept({ name: "Ada" }), extra: accept({}) };
  assertEquals(await client.answer(question, inputResponses), said("done"));
  assertEquals(seen, [undefined, { inputResponses, requestState: "its own", server: "files" }]);
  assertEquals(await client.answer(question, inputResponses), said("done"));
  assertEquals(client.started, 2, "the same retry is made once");
});

Deno.test("a server of the era may ask only what its client can be asked, and must ask something", async () => {
  const ask = (inputRequests?: Record<string, { method: string; params: Record<string, string> }>) => {
    const client = new RoundTripClient(() =>
      Promise.resolve({ result: { resultType: "input_required", inputRequests } })
    );
    using _ = client.roundTrips;
    return client.send({ caller: asked({ capabilities: { elicitation: {} } }) });
  };
  const missing = await ask({ a: { method: "sampling/createMessage", params: {} } });
  assertEquals(missing.error?.code, -32021);
  assertEquals(missing.error?.data, { requiredCapabilities: { sampling: {} }, code: "MISSING_CAPABILITY" });
  assertEquals((await ask({ a: { method: ELICIT, params: { mode: "url" } } })).error?.code, -32021);
  const odd = [await ask({ a: { method: "tools/list", params: {} } }), await ask({}), await ask()];
  for (const { error } of odd) assertEquals((error?.data as { code: string }).code, "INTERNAL");
  assertStringIncludes(odd[1]!.error!.message, "neither inputRequests nor requestState");
  questionsIn(await ask({ a: { method: ELICIT, params: {} } }));
});

const URL_REQUIRED = {
  error: {
    code: -32042,
    message: "sign in first",
    data: { elicitations: [{ mode: "url", elicitationId: "e", url: "https://x.test/", message: "Sign in" }] },
  },
};

Deno.test("a refusal until a page is opened becomes a question, and the call is made again after it", async () => {
  const client: RoundTripClient = new RoundTripClient(() =>
    Promise.resolve(client.started === 1 ? URL_REQUIRED : said("done"))
  );
  using _ = client.roundTrips;
  const question = await client.send();
  const params = { mode: "url", message: "Sign in", url: "https://x.test/" };
  assertEquals(questionsIn(question), { q1: { method: ELICIT, params } });
  const again = await client.answer(question, {});
  assertEquals(questionsIn(again), questionsIn(question));
  assertEquals(client.started, 1);
  assertEquals(await client.answer(again, { q1: { action: "accept" } }), said("done"));
  const declined = await client.answer(question, { q1: { action: "decline" } });
  assertEquals(codeOf(declined), -32602, "the first was answered otherwise");
});

Deno.test("a page that is declined, or that the client cannot show, ends in words", async () => {
  const client = new RoundTripClient(() => Promise.resolve(URL_REQUIRED));
  using _ = client.roundTrips;
  const declined = await client.answer(await client.send(), { q1: { action: "decline" } });
  assertEquals(declined.result?.isError, true);
  const prompt = await client.send({ method: "prompts/get" });
  const refused = await client.answer(prompt, { q1: { action: "cancel" } }, { method: "prompts/get" });
  assertStringIncludes(refused.error!.message, "declined");
  const blind = await client.send({ caller: asked({ capabilities: { elicitation: {} } }) });
  assertEquals(blind.error?.code, -32021);
  assertStringIncludes(blind.error!.message, "https://x.test/");
});

Deno.test("the next daemon starts what may be repeated anew, and says of the rest that it does not know", async () => {
  const key = crypto.getRandomValues(new Uint8Array(32));
  for (const begins of [true, false]) {
    const before = new RoundTripClient(async ({ ask, markBegun }) => {
      if (begins) markBegun?.();
      return said((await ask(ELICIT, form("who?", "n"))).result);
    }, new RoundTrips({ key }));
    using _before = before.roundTrips;
    const question = await before.send();
    const after = asksName();
    using other = new RoundTrips({ key });
    const next = new RoundTripClient(after.work, other);
    using _own = after.roundTrips;
    const answered = await next.answer(question, { n: accept({}) });
    if (!begins) {
      assertEquals(Object.keys(questionsIn(answered)), ["user_name"]);
      assertEquals(await next.answer(question, { n: accept({}) }), answered, "it is started once");
      continue;
    }
    assertEquals((answered.error?.data as { code: string }).code, "OUTCOME_UNKNOWN");
    assertEquals(next.started, 0);
  }
});

Deno.test("nothing is kept for a client that has gone", async () => {
  const client = asksName();
  using _ = client.roundTrips;
  const question = await client.send();
  assertEquals(client.roundTrips.parked, 1);
  client.roundTrips.forget(asked());
  assertEquals(client.roundTrips.parked, 0);
  assertEquals(codeOf(await client.answer(question, { user_name: accept({}) })), -32602);
});
