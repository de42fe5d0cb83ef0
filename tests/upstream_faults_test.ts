import { assert, assertEquals, assertMatch } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { registerSecret } from "../lib/base/secrets.ts";
import { clipRedacted, quoteName } from "../lib/base/text.ts";
import { visible } from "../lib/base/visible.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import type { RpcError } from "../lib/wire/rpc.ts";
import { instanceOf, Window } from "./helpers/instance.ts";
import { readServerMessage } from "../lib/wire/server_message.ts";
import { errorWithoutSecrets, ServerErrors } from "../lib/upstream/instance/server_errors.ts";
import { messageError, refusalStatus } from "../lib/upstream/instance/server_errors.ts";
import {
  fetchError,
  HttpStatusError,
  isAboutSession,
  ResponseCutError,
  SessionLostError,
} from "../lib/remote/http_errors.ts";

const BROKEN = new ExaiError("UPSTREAM_UNAVAILABLE", "it is broken");

const refusal = (status: number, body = "", headers: Record<string, string> = {}) =>
  new HttpStatusError(new Response(null, { status, headers }), body);

Deno.test("a refusal says its status, the beginning of what was said, and how long to wait", () => {
  assertEquals(refusal(404).message, "it answered with HTTP status 404");
  assertEquals(refusal(500, "  it hurts \n").message, "it answered with HTTP status 500: it hurts");
  assertEquals(
    refusal(500, "x".repeat(400)).message.length,
    "it answered with HTTP status 500: ".length + 300,
  );
  const wait = { "retry-after": "2" };
  assertEquals([429, 500, 503, 404, 499].map((status) => refusal(status, "", wait).retryAfterMs), [
    2000,
    2000,
    2000,
    undefined,
    undefined,
  ]);
  assertEquals([refusal(418, "body").status, refusal(418, "body").body], [418, "body"]);
});

Deno.test("a refusal is about the session by its status, or by what it says", () => {
  assertEquals([isAboutSession(refusal(404), true), isAboutSession(refusal(404), false)], [true, false]);
  for (const status of [400, 401, 404, 410]) {
    assertEquals(isAboutSession(refusal(status, "Session expired"), true), true, `${status}`);
    assertEquals(isAboutSession(refusal(status, "no session"), false), true, `${status}`);
  }
  for (const status of [403, 500]) assertEquals(isAboutSession(refusal(status, "no session"), true), false);
  for (const body of ["Server not initialized", "not been initialised"]) {
    assertEquals([isAboutSession(refusal(400, body), true), isAboutSession(refusal(400, body), false)], [
      true,
      true,
    ]);
  }
  for (const body of ["uninitialized", "mysessions"]) {
    assertEquals([isAboutSession(refusal(400, body), true), isAboutSession(refusal(400, body), false)], [
      true,
      false,
    ]);
  }
  assertEquals(isAboutSession(refusal(400, "bad"), true), false);
});

Deno.test("a request that reached nobody has not run; one that was cut may have, and no address is repeated", () => {
  const sent = "error sending request for url (http://h/?key=1): client error (Connect): refused";
  const unreached = fetchError(new TypeError(sent)) as Error;
  assertEquals([unreached.message, unreached instanceof ResponseCutError], [
    "it cannot be reached (refused)",
    false,
  ]);
  const cut = fetchError(
    new TypeError("error sending request", { cause: new Error("it was reset") }),
  ) as Error;
  assertEquals([cut.message, cut instanceof ResponseCutError], [
    "the connection was cut before it answered (it was reset)",
    true,
  ]);
  assert((cut.cause as Error).message === "error sending request");
  const other = new Error("other");
  assert(fetchError(other) === other);
});

Deno.test("a secret at the place where an error is cut is left out whole, at each place that cuts", () => {
  const key = "canary-of-a-key-0123456789";
  registerSecret(key);
  const begun = (text: string) => text.includes(key.slice(0, 5));
  for (let pad = 270; pad <= 300; pad++) {
    const { message } = refusal(500, `${"x".repeat(pad)}${key} and more`);
    assert(!begun(message), message);
  }
  for (let pad = 80; pad <= 99; pad++) {
    const text = `${"x".repeat(pad)}${key}`;
    assert(
      !begun(visible(text, 100)) && !begun(quoteName(text)) && !begun(clipRedacted(text, 100)),
      `${pad}`,
    );
  }
  const overlong = readServerMessage(
    { id: 1, error: { code: 1, message: [`${"x".repeat(190)}${key}`] } },
    "far",
  );
  assert(!begun(JSON.stringify(overlong)));
});

Deno.test("a secret in an error that a server answers with does not reach the window; results pass as they came", async () => {
  const key = "canary-in-an-answer";
  registerSecret(key);
  const { instance, upstream } = await instanceOf();
  const answerTo = async (result: object) => {
    const answer = instance.call(new Window("ada").call({ params: { name: "a" } }));
    upstream.say({ id: upstream.last("tools/call").id, ...result });
    return await answer;
  };
  const data = { sent: [`Bearer ${key}`], n: 1 };
  assertEquals(await answerTo({ error: { code: 7, message: `failed with ${key}`, data } }), {
    error: { code: 7, message: "failed with [secret]", data: { sent: ["Bearer [secret]"], n: 1 } },
  });
  const url = { elicitations: [{ mode: "url", url: `https://x.example/${key}` }] };
  const opened = await answerTo({ error: { code: -32042, message: key, data: url } });
  assertEquals([opened.error?.message, opened.error?.data !== undefined], ["[secret]", true]);
  assert(JSON.stringify(opened).includes(`https://x.example/${key}`));
  const failed = { result: { content: [{ type: "text", text: key }], isError: true } };
  assertEquals(await answerTo(failed), failed);
  const raw = '{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"canary-in-an-answer","data":{"n":1.0}}}';
  const failure = readRawMessage(raw, { depth: 64, members: 100 }) as unknown as { error: RpcError };
  assertEquals(
    JSON.stringify(errorWithoutSecrets(failure)),
    '{"error":{"data":{"n":1.0},"code":7,"message":"[secret]"}}',
  );
  assertEquals(errorWithoutSecrets({ error: { code: 7, message: "no" } }), undefined);
});

Deno.test("callers are told which server failed, how, and whether their call may have run", () => {
  const faults = new ServerErrors("far");
  const lost = faults.of(new SessionLostError(refusal(404, "gone", { "retry-after": "9" })));
  assertEquals([lost.code, lost.details], ["UPSTREAM_UNAVAILABLE", { server: "far", outcome: "not_run" }]);
  const cut = faults.of(new ResponseCutError("it was cut"));
  assertEquals([cut.message, cut.details], [
    'server "far": it was cut; the call was under way and may have run',
    { server: "far", outcome: "unknown" },
  ]);
  const busy = faults.of(refusal(503, "", { "retry-after": "9" }));
  assertEquals([busy.details, busy.retryAfterMs, busy.message], [
    { server: "far", status: 503 },
    9000,
    'server "far": it answered with HTTP status 503',
  ]);
  const plain = faults.unavailable("it is away");
  assertEquals([plain.message, plain.details, plain.cause], [
    'server "far": it is away',
    { server: "far" },
    undefined,
  ]);
  const want = faults.of(Object.assign(new Error("too many"), { code: "EMFILE" }));
  assertEquals([want.code, /server "far"/.test(want.message)], ["OVER_CAPACITY", true]);
  const under = faults.interrupted(plain);
  assertEquals([under.code, under.message, under.details, under.cause], [
    "UPSTREAM_UNAVAILABLE",
    'server "far": it is away; the call was under way and may have run',
    { server: "far", outcome: "unknown" },
    plain,
  ]);
  const unsent = faults.notRun(busy);
  assertEquals([unsent.message, unsent.details, unsent.cause], [
    busy.message,
    { server: "far", status: 503, outcome: "not_run" },
    busy,
  ]);
});

Deno.test("a message that cannot be sent is the caller's, unless the connection is not well", () => {
  const own = new ExaiError("TOO_LARGE", "too large");
  assert(messageError(own, "s") === own);
  assertEquals(messageError(BROKEN, "s"), undefined);
  assertEquals(messageError(new Error("x"), "s"), undefined);
  const deep = messageError(new RangeError("stack"), "s")!;
  assertEquals(deep.code, "INVALID_PARAMS");
  assertMatch(deep.message, /server "s": stack; send less/);
  assertEquals(refusalStatus(Object.assign(new Error(""), { code: 401 })), 401);
  assertEquals(refusalStatus(Object.assign(new Error("x (HTTP 404)"), { code: 400 })), 400);
  assertEquals(refusalStatus(Object.assign(new Error("x (HTTP 404): y"), { code: 12 })), 404);
  assertEquals(refusalStatus(Object.assign(new Error("x"), { code: "ECONN" })), undefined);
  assertEquals([refusalStatus("(HTTP 404)"), refusalStatus(new Error("(HTTP 500)"))], [undefined, undefined]);
});
