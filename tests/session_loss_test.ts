import { assertEquals } from "@std/assert";
import { HttpStatusError } from "../lib/remote/http_errors.ts";
import { isOwnResponse, sessionErrorIn, sessionVerdict } from "../lib/remote/session_loss.ts";

const error = (message: string, { code = -32000, id = null as unknown } = {}) =>
  JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
const refusal = (status: number, body: string) =>
  new HttpStatusError({ status, headers: new Headers() }, body);
const isRefusal = (body: unknown) =>
  sessionErrorIn(typeof body === "string" ? body : JSON.stringify(body), new Response()) !== undefined;

Deno.test("an answer says that the session is not known in the words servers use for that", () => {
  const words = [
    "Session not found",
    "the session with this id has expired",
    "session is no longer there",
    "session was not recognised",
    "Session timed out",
    "No valid session ID provided",
    "unknown session",
    "Could not find the session",
    "not recognized: that session",
    "I do not recognise this session",
    "SessionNotFound",
    "SessionExpired",
    "Bad Request: Mcp-Session-Id header is needed",
    "Server not initialized",
    "not yet initialised",
    "Received request before initialization was complete",
    "please re-initialize",
    "please reinitialise",
  ];
  for (const text of words) assertEquals(isRefusal(error(text)), true, text);
  for (
    const text of ["no such file", "session started", "initialized", "the page has expired", "obsession"]
  ) {
    assertEquals(isRefusal(error(text)), false, text);
  }
});

Deno.test("only an error is such an answer: no result, no request, no text, and nothing long", () => {
  const said = { code: 1, message: "session not found" };
  assertEquals(isRefusal({ error: said }), true);
  assertEquals(isRefusal({ error: "session not found" }), true);
  const others = [
    { error: said, result: {} },
    { error: said, method: "x" },
    { error: null, said },
    { result: { text: '"error": session not found' } },
    [{ error: said }],
    '"error": session not found',
    '"session not found: \\"error\\""',
    { said },
  ];
  for (const other of others) assertEquals(isRefusal(other), false, JSON.stringify(other));
  const padded = (chars: number) => {
    const text = error("session not found");
    return text + " ".repeat(chars - text.length);
  };
  assertEquals([isRefusal(padded(4096)), isRefusal(padded(4097))], [true, false]);
});

Deno.test("a refusal that names the request is the server's own answer, where its status is that of one", () => {
  const isOwn = (status: number, id: unknown, asked: string | number | undefined = 7) =>
    isOwnResponse(refusal(status, error("no", { id })), { id: asked, method: "x" });
  assertEquals([200, 299, 300, 400, 403, 404, 405].map((status) => isOwn(status, 7)), [
    true,
    true,
    false,
    false,
    false,
    true,
    false,
  ]);
  assertEquals([isOwn(404, "7"), isOwn(404, 8), isOwn(404, null), isOwn(404, true)], [
    true,
    false,
    false,
    false,
  ]);
  assertEquals(isOwnResponse(refusal(404, error("no")), { id: undefined, method: "x" }), false);
  assertEquals(isOwnResponse(refusal(404, "no"), { id: 7, method: "x" }), false);
  // One that is nested too deeply is not parsed.
  const nested = `{"id":7,"error":{"code":1,"data":${"[".repeat(5000)}${"]".repeat(5000)}}}`;
  assertEquals(isOwnResponse(refusal(404, nested), { id: 7, method: "x" }), false);
});

Deno.test("what a refusal means for the session depends on whether it names the request, on its status and its words", () => {
  const verdict = (status: number, body: string, hasSession = true, id: number | undefined = 7) =>
    sessionVerdict(refusal(status, body), { id, hasSession });
  const own = (message: string, code?: number) => error(message, { id: 7, code });
  // One that names the request may have run.
  assertEquals(verdict(404, own("no such thing")), "possible");
  assertEquals(verdict(404, own("no such method", -32601)), "alive");
  assertEquals(verdict(404, JSON.stringify({ id: 7, error: "no" })), "possible");
  assertEquals(verdict(404, own("no such thing"), false), "alive");
  assertEquals([verdict(200, own("session not found")), verdict(200, own("no"))], ["possible", "alive"]);
  // One that does not was made before there was a request to run.
  assertEquals(verdict(200, error("session not found")), "lost");
  assertEquals([verdict(404, ""), verdict(404, "", false)], ["lost", "alive"]);
  assertEquals([verdict(400, "bad session"), verdict(400, "bad")], ["lost", "unexplained"]);
  // Without a word of it, it may be about the session one had.
  assertEquals([400, 401, 410].map((status) => verdict(status, "")), [
    "unexplained",
    "unexplained",
    "unexplained",
  ]);
  assertEquals([400, 401, 410].map((status) => verdict(status, "", false)), ["alive", "alive", "alive"]);
  assertEquals([verdict(410, own("gone")), verdict(410, own("gone"), false)], ["unexplained", "alive"]);
  assertEquals([verdict(429, ""), verdict(500, ""), verdict(200, "")], ["alive", "alive", "lost"]);
  assertEquals([verdict(403, "session not found"), verdict(403, "forbidden")], ["possible", "alive"]);
  assertEquals([verdict(400, "unknown session"), verdict(399, "unknown session")], ["lost", "alive"]);
  assertEquals([verdict(500, "session expired"), verdict(399, "session expired")], ["possible", "alive"]);
  assertEquals(verdict(403, `${" ".repeat(4096)}session not found`), "alive");
});
