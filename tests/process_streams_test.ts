import { assert, assertEquals, assertMatch } from "@std/assert";
import { PassThrough } from "node:stream";
import { ExaiError } from "../lib/base/errors.ts";
import { yieldToEventLoop } from "../lib/base/event_loop.ts";
import { registerSecret } from "../lib/base/log.ts";
import { StdoutReader } from "../lib/process/stdout_reader.ts";
import { StderrReader } from "../lib/process/stderr_reader.ts";
import type { RpcMessage } from "../lib/wire/rpc.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { HeldTimers } from "./helpers/held_timers.ts";
import { parsed } from "./helpers/messages.ts";
import { settled } from "./helpers/instance.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What an inbox makes of what a process writes. */
function inboxOf(maxLineBytes = 10_000) {
  const messages: RpcMessage[] = [];
  const errors: ExaiError[] = [];
  const noises: string[] = [];
  const refusals: unknown[] = [];
  const inbox = new StdoutReader({
    server: "odd",
    maxLineBytes,
    onMessage: (message) => {
      if ("method" in message && message.method === "throw") throw new Error("not handled");
      messages.push(parsed(message));
    },
    onRefused: (answer) => void refusals.push(answer),
    onError: (error) => void errors.push(error),
    onNoise: (line) => void noises.push(line),
  });
  return {
    inbox,
    messages: messages as unknown[],
    errors,
    refusals,
    noises,
    take: (text: string) => inbox.take(bytes(text)),
  };
}

const NOTE = { jsonrpc: "2.0", method: "x" };
const line = (value: unknown) => `${JSON.stringify(value)}\n`;

Deno.test("lines of a process are messages, alone or in batches, also without the name of the protocol in an answer", async () => {
  const { inbox, messages, take, errors } = inboxOf();
  await take(line(NOTE) + line([NOTE, { jsonrpc: "2.0", id: 1, result: {} }]) + line({ id: 2, result: {} }));
  assertEquals([messages.length, inbox.messageCount, inbox.noiseCount, errors], [4, 4, 0, []]);
  await take('{"jsonrpc":"2.0","method":"late"}');
  assertEquals([messages.length, inbox.bytes > 100], [4, true]);
  inbox.end();
  assertEquals(messages.length, 5);
});

Deno.test("what is nested too deeply is told of by name: to who waits for it, to the server that asks, in its log", async () => {
  const { inbox, take, errors, messages, noises, refusals } = inboxOf(100_000);
  const deep = "[".repeat(5000) + "]".repeat(5000);
  await take(`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${deep}}}\n`);
  await take(`{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"a":${deep}}}\n`);
  await take(`[${line(NOTE).trim()},{"jsonrpc":"2.0","id":5,"result":{"a":${deep}}},{"id":6,"result":{}}]\n`);
  await take(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x","data":${deep}}}\n`);
  await take(`{"level":"info","data":${deep}}\n${deep}\n`);
  // Of a message that is open, a line as deep as that is a part; a message of its own is none of it.
  await take(`{\n{"jsonrpc":"2.0","id":7,"result":{"a":${deep}}}\n`);
  assertEquals(errors.map(({ message }) => message.replace(/^.* 4096 levels /, "")), [
    "(notifications/message)",
    "(elicitation/create)",
    "(x, the answer to 5, the answer to 6)",
    "(the answer to a request it does not name)",
    "(the answer to 7)",
  ]);
  assertEquals(errors[0]!.message.startsWith('server "odd" sent a message that is none: it is nested'), true);
  const answers = messages as { id: unknown; error: { message: string } }[];
  assertEquals(answers.map(({ id }) => id), [5, 6, null, 7]);
  for (const { error } of answers) {
    assertEquals(
      error.message,
      'server "odd" sent a malformed answer: it is nested deeper than 4096 levels',
    );
  }
  const [{ id, error }] = refusals as [{ id: unknown; error: { code: number } }];
  assertEquals([refusals.length, id, error.code], [1, "q1", -32600]);
  assertEquals([inbox.messageCount, inbox.noiseCount, noises.length], [5, 3, 3]);
});

Deno.test("what is no message is noise: the first lines are kept, shortened, and all are counted", async () => {
  const { inbox, take, noises } = inboxOf();
  await take(`  ready  \n\n   \n"text"\n{"level":"info"}\n${"x".repeat(300)}\n[1]\nsixth\n`);
  assertEquals([inbox.noiseCount, inbox.messageCount], [6, 0]);
  assertEquals(noises, ["ready", '"text"', '{"level":"info"}', "x".repeat(200), "[1]"]);
  assertEquals(inbox.noise, noises);
});

Deno.test("a message that is none is told by name, and one that cannot be handled holds up no other", async () => {
  const { take, errors, messages } = inboxOf();
  await take(line({ jsonrpc: "2.0", method: 7 }) + line({ jsonrpc: "2.0", method: "throw" }) + line(NOTE));
  assertEquals([errors.length, errors[0]!.code, messages], [1, "INVALID_REQUEST", [NOTE]]);
  assertMatch(errors[0]!.message, /^server "odd" sent a message that is none: /);
});

Deno.test("whoever waits for an answer that is too long is told, and nobody is for anything else", async () => {
  const { take, errors, messages } = inboxOf(100);
  const long = "x".repeat(200);
  await take(line({ jsonrpc: "2.0", id: 7, result: { long } }));
  const [{ id, error }] = messages as [{ id: number; error: { message: string } }];
  assertEquals([id, error.message, errors[0]!.code, errors[0]!.details], [
    7,
    errors[0]!.message,
    "TOO_LARGE",
    {
      server: "odd",
    },
  ]);
  assertMatch(
    error.message,
    /^server "odd" sent a message of 24\d B; at most 100 B are taken; ask it for less$/,
  );
  await take(line({ jsonrpc: "2.0", method: "x", id: 8, params: { long } }) + line({ long }));
  assertEquals([messages.length, errors.length], [1, 3]);
});

/** A stderr, and what its reader hands on. */
function stderrOf() {
  const stream = new PassThrough({ highWaterMark: 64_000_000 });
  const texts: string[] = [];
  const reader = new StderrReader(stream, (text) => void texts.push(text));
  return { stream, texts, reader, say: async (text: string) => (stream.write(text), await settled()) };
}

const closed = async (stream: PassThrough) => {
  stream.destroy();
  await settled();
};

Deno.test("what a server writes to stderr goes on in whole lines, and its last lines are kept", async () => {
  const { stream, texts, reader, say } = stderrOf();
  await say("one\ntw");
  await say("o\n");
  await say("thr");
  await say("ee");
  assertEquals(texts, ["one\n", "two\n"]);
  assertEquals(reader.tail, "one\ntwo\nthree");
  await closed(stream);
  assertEquals(texts, ["one\n", "two\n", "three\n"]);
  const many = stderrOf();
  await many.say(Array.from({ length: 12 }, (_, n) => `line ${n}  \n\n`).join(""));
  assertEquals(many.reader.tail.split("\n").length, 10);
  assertEquals([many.reader.tail.split("\n")[0], many.reader.tail.split("\n").at(-1)], ["line 2", "line 11"]);
  await closed(many.stream);
  assertEquals(many.texts.length, 1);
});

Deno.test("of a secret at the beginning of the last lines nothing is left", async () => {
  const key = "canary-of-stderr-0123456789";
  registerSecret(key);
  const { stream, reader, say } = stderrOf();
  await say(`${"y".repeat(3000)} ${key} ${"x".repeat(2035)}`);
  assert(!reader.tail.includes(key.slice(-8)), reader.tail.slice(0, 40));
  await closed(stream);
});

Deno.test("secrets are in neither, and letters that are cut in two are whole", async () => {
  registerSecret("a-secret-of-this-test");
  const { stream, texts, reader, say } = stderrOf();
  await say("key a-secret-of-this-test\n");
  assertEquals([texts, reader.tail], [["key [secret]\n"], "key [secret]"]);
  const letter = bytes("ü\n");
  stream.write(letter.subarray(0, 1));
  await settled();
  stream.write(letter.subarray(1));
  await settled();
  assertEquals(texts.at(-1), "ü\n");
  await say("key a-secret-of-this-test");
  await closed(stream);
  assertEquals(texts.at(-1), "key [secret]\n");
});

Deno.test("a line without end is cut at some length", async () => {
  const { stream, texts, say } = stderrOf();
  await say("x".repeat(16_384));
  assertEquals(texts, []);
  await say("yz");
  assertEquals([texts.length, texts[0]!.length, texts[0]!.endsWith("yz\n")], [1, 16_387, true]);
  await closed(stream);
  assertEquals(texts.length, 1);
});

Deno.test("a flood is thinned out before the log, its end is kept, and it is said how much is missing", async () => {
  using slices = new HeldTimers(100);
  const { stream, texts, reader, say } = stderrOf();
  await say(`${"x".repeat(20_000)}\n`);
  await say(`${"y".repeat(4096)}\n`);
  await say(`${"z".repeat(4096)}\nlast words\n`);
  assertEquals([texts.length, reader.tail.endsWith("last words")], [1, true]);
  slices.pass();
  assertEquals(texts.slice(1), ["(8.0 KiB more than the log takes are left out)\n"]);
  await say("after\n");
  assertEquals(texts.at(-1), "after\n");
  slices.pass();
  slices.pass();
  assertEquals([texts.length, slices.waiting.length], [3, 0]);
  await say(`${"x".repeat(20_000)}\n`);
  await say("gone\n");
  await closed(stream);
  assertEquals(texts.at(-1), "(5 B more than the log takes are left out)\n");
});

Deno.test("a flood is read no faster than so much in each tenth of a second", async () => {
  using slices = new HeldTimers(100);
  for (const [size, isPaused] of [[2_097_152, false], [2_097_153, true]] as const) {
    const { stream, say } = stderrOf();
    await say("x".repeat(size));
    assertEquals(stream.isPaused(), isPaused);
    slices.pass();
    assertEquals(stream.isPaused(), false);
    await say("x".repeat(size - 1));
    assertEquals(stream.isPaused(), false);
    await closed(stream);
    slices.waiting.length = 0;
  }
});

Deno.test("a number that JSON does not have is read as null, which is told once and is no noise", async () => {
  const { inbox, messages, noises, take } = inboxOf();
  for (const id of [1, 2]) await take(`{"jsonrpc": "2.0", "id": ${id}, "result": {"x": NaN}}\n`);
  assertEquals(messages, [1, 2].map((id) => ({ jsonrpc: "2.0", id, result: { x: null } })));
  assertEquals([noises.length, noises[0]!.startsWith("NaN or Infinity"), inbox.noiseCount], [1, true, 0]);
});

const framed = (value: unknown, more = "") => {
  const text = JSON.stringify(value);
  return `Content-Length: ${bytes(text).length}\r\n${more}\r\n${text}`;
};

Deno.test("messages behind Content-Length headers are read, however they are cut, and said to be wrong once", async () => {
  const wide = { ...NOTE, params: { text: "é\n✓" } };
  const text = framed(NOTE) + framed(wide, "Content-Type: application/json\r\n") + framed([NOTE, NOTE]) +
    "\r\n" +
    `content-length: 40\n\n${JSON.stringify(NOTE, null, 1).padEnd(40)}`;
  for (const size of [1, 7, 1000]) {
    const { inbox, messages, errors, noises } = inboxOf();
    const all = bytes(text);
    for (let at = 0; at < all.length; at += size) await inbox.take(all.subarray(at, at + size));
    assertEquals([messages, errors], [[NOTE, wide, NOTE, NOTE, NOTE], []]);
    assertEquals(noises, [
      "(messages behind Content-Length headers are read, but a stdio server must write one JSON message a line)",
    ]);
    assertMatch(
      inbox.protocolIssue!,
      /^it writes Content-Length headers.*must write one JSON message a line/,
    );
    inbox.end();
  }
});

Deno.test("a line that looks like a header, in a log, hides nothing that follows", async () => {
  const first = inboxOf();
  await first.take(`Content-Length: 9\nServer: x\nready\n${line(NOTE)}`);
  assertEquals([first.messages, first.noises], [[NOTE], ["Content-Length: 9", "ready"]]);
  await first.take(`Content-Length: 90\n\n${line(NOTE)}`);
  assertEquals(first.messages, [NOTE, NOTE], "who has written lines writes lines");
  const body = `not JSON\n${line(NOTE)}`;
  const second = inboxOf();
  await second.take(`Content-Length: ${body.length}\n\n${body}${line(NOTE)}`);
  assertEquals([second.messages, second.noises], [[NOTE, NOTE], ["not JSON"]]);
  const cut = inboxOf();
  await cut.take(`Content-Length: 500\n\n${line(NOTE)}`);
  cut.inbox.end();
  assertEquals(cut.messages, [NOTE]);
  const long = inboxOf(100);
  const answer = { jsonrpc: "2.0", id: 3, result: { text: "x".repeat(200) } };
  await long.take(framed(answer) + framed(NOTE));
  assertEquals([long.errors[0]!.code, (long.messages[0] as { id: unknown }).id, long.messages[1]], [
    "TOO_LARGE",
    3,
    NOTE,
  ]);
});

Deno.test("a line that reads like a header of a server that writes lines costs none of its messages", async () => {
  using timers = new FakeTimers();
  const page = inboxOf();
  await page.take(`HTTP/1.1 200 OK\nContent-Length: 3000\nContent-Type: text/html\n\n${line(NOTE)}`);
  // What begins like a message may be the body: it is waited for, but not for long.
  assertEquals(page.messages, []);
  timers.pass(1000);
  assertEquals(page.messages, [NOTE]);
  const html = inboxOf();
  await html.take(`Content-Length: 3000\n\n<html>\n${line(NOTE)}`);
  assertEquals([html.messages, html.noises], [[NOTE], ["<html>"]]);
  await html.take(line(NOTE));
  assertEquals(html.messages, [NOTE, NOTE]);
});

Deno.test("a message without a newline behind it is read after a moment, half a message is waited for", async () => {
  using timers = new FakeTimers();
  const { inbox, messages, take } = inboxOf();
  const text = JSON.stringify({ ...NOTE, params: { a: {} } });
  await take(text.slice(0, text.indexOf("}") + 1));
  timers.pass(1000);
  assertEquals(messages, []);
  await take(text.slice(text.indexOf("}") + 1));
  timers.pass(999);
  assertEquals(messages, []);
  timers.pass(1);
  assertEquals(messages, [JSON.parse(text)]);
  await take(`\n${text}`);
  await take("\n");
  timers.pass(2000);
  assertEquals(messages.length, 2);
  await take("not {JSON}");
  timers.pass(2000);
  await take(text);
  inbox.end();
  timers.pass(2000);
  assertEquals([messages.length, inbox.noiseCount, timers.size], [2, 1, 0]);
  const other = inboxOf();
  await other.take(text);
  timers.pass(900);
  await other.take(JSON.stringify({ id: 1, result: { text: '}{"id":1' } }));
  timers.pass(900);
  assertEquals(other.messages.length, 0, "it may go on");
  await yieldToEventLoop();
  timers.pass(100);
  assertEquals(other.messages.length, 2);
});

Deno.test("JSON with the id of a request and nothing of JSON-RPC is its answer if no other comes, and never a log line", async () => {
  using timers = new FakeTimers();
  const { messages, take, noises } = inboxOf();
  await take(
    line({ id: 4, tools: [] }) + line({ id: 5, level: "info" }) + line({ id: 6, a: 1 }) + line({ tools: [] }),
  );
  assertEquals([messages.length, noises.length], [0, 4]);
  await take(line({ id: 6, result: {} }));
  timers.pass(1000);
  const [own, odd] = messages as { id: number; error?: { message: string } }[];
  assertEquals([messages.length, own!.id, own!.error, odd!.id], [2, 6, undefined, 4]);
  assertMatch(odd!.error!.message, /malformed answer: it has neither a result nor an error/);
});

Deno.test("of a process that has written no message it is said what it wrote instead", async () => {
  const { inbox, take } = inboxOf();
  assertEquals(inbox.protocolIssue, undefined);
  await take("Welcome!\n");
  assertEquals(
    inbox.protocolIssue,
    'what it wrote to stdout is no message ("Welcome!"); a stdio server must write one JSON message a line',
  );
  await take(line(NOTE));
  assertEquals(inbox.protocolIssue, undefined);
});
