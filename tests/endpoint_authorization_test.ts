import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { AuthorizationRefusal, ServerAuthorization } from "../lib/remote/authorization.ts";
import { HttpStatusError } from "../lib/remote/http_errors.ts";
import { ServerEndpoint } from "../lib/remote/server_endpoint.ts";

const CONFIG = { url: "https://far/mcp", headers: { "x-team": "7" }, startTimeoutMs: 1000 };
const signal = new AbortController().signal;

interface Scene {
  /** The tokens, one after another. */
  tokens: string[];
  /** How the server answers to a token. */
  answer(token: string | null): Response;
  refused?: ServerAuthorization["refused"];
}

function sceneOf({ tokens, answer, refused }: Scene) {
  const seen: (string | null)[] = [];
  const refusals: AuthorizationRefusal[] = [];
  let at = 0;
  const authorization: ServerAuthorization = {
    headersFor: () => Promise.resolve({ authorization: `Bearer ${tokens[at]}` }),
    refused: async (refusal, signal) => {
      refusals.push(refusal);
      at++;
      return await refused?.(refusal, signal) ?? true;
    },
  };
  const endpoint = new ServerEndpoint(CONFIG, {
    fetch: (_, init) => {
      const token = new Headers(init!.headers).get("authorization");
      seen.push(token);
      return Promise.resolve(answer(token));
    },
    authorization,
  });
  return { endpoint, seen, refusals };
}

function unauthorized(challenge?: string, status = 401): Response {
  const headers: HeadersInit = challenge === undefined ? {} : { "www-authenticate": challenge };
  return new Response("no", { status, headers });
}

Deno.test("a request that is refused for want of authorization is sent again with what was renewed", async () => {
  const { endpoint, seen, refusals } = sceneOf({
    tokens: ["old", "new"],
    answer: (token) => token === "Bearer new" ? new Response("ok") : unauthorized('Bearer scope="a"'),
  });
  const response = await endpoint.fetch({ method: "POST", body: "{}", signal });
  assertEquals([response.status, seen], [200, ["Bearer old", "Bearer new"]]);
  assertEquals(refusals, [
    { status: 401, challenge: 'Bearer scope="a"', sent: { authorization: "Bearer old" } },
  ]);
});

Deno.test("an event stream is authorized and renewed as any request", async () => {
  const { endpoint, seen } = sceneOf({
    tokens: ["old", "new"],
    answer: (token) => token === "Bearer new" ? new Response("") : unauthorized(),
  });
  await endpoint.openStream(undefined, signal);
  assertEquals(seen, ["Bearer old", "Bearer new"]);
});

Deno.test("a server that refuses whatever it is sent is asked three times at most", async () => {
  const { endpoint, seen } = sceneOf({ tokens: ["1", "2", "3", "4"], answer: () => unauthorized() });
  await assertRejects(() => endpoint.fetch({ signal }), HttpStatusError, "401");
  assertEquals(seen, ["Bearer 1", "Bearer 2", "Bearer 3"]);
});

Deno.test("a refusal that stands, or is about something else, is told as it is", async () => {
  const stands = sceneOf({
    tokens: ["1"],
    answer: () => unauthorized(),
    refused: () => Promise.resolve(false),
  });
  await assertRejects(() => stands.endpoint.fetch({ signal }), HttpStatusError, "401");
  const forbidden = sceneOf({ tokens: ["1"], answer: () => unauthorized('Bearer error="other"', 403) });
  await assertRejects(() => forbidden.endpoint.fetch({ signal }), HttpStatusError, "403");
  assertEquals([stands.refusals.length, forbidden.refusals.length], [1, 0]);
});

Deno.test("a scope that does not suffice is a matter of authorization", async () => {
  const { endpoint, refusals } = sceneOf({
    tokens: ["1", "2"],
    answer: (token) =>
      token === "Bearer 2"
        ? new Response()
        : unauthorized('Bearer error="insufficient_scope", scope="w"', 403),
  });
  await endpoint.fetch({ signal });
  assertEquals(refusals[0]!.status, 403);
});

Deno.test("nobody signs in to end a session, and what is wrong with the login is the error of the request", async () => {
  const { endpoint, refusals } = sceneOf({
    tokens: ["1"],
    answer: () => unauthorized(),
    refused: () => Promise.reject(new ExaiError("LOGIN_REQUIRED", "sign in")),
  });
  await assertRejects(() => endpoint.fetch({ method: "DELETE", signal }), HttpStatusError);
  assertEquals(refusals.length, 0);
  await assertRejects(() => endpoint.fetch({ signal }), ExaiError, "sign in");
});
