import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { anyOf } from "../lib/base/patterns.ts";
import { redact, registerSecret } from "../lib/base/secrets.ts";
import { trimEndOf, trimStartOf } from "../lib/base/text.ts";
import { redactedJson } from "../lib/observe/redacted_json.ts";
import { redactSecrets } from "../lib/observe/redaction.ts";
import { parseAnalysis } from "../lib/tool/dialogue/analysis.ts";
import { peek } from "../lib/wire/peek.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { growsTooFast, regexesIn, slowInput } from "./helpers/regexes.ts";

const root = fromFileUrl(new URL("../lib/", import.meta.url));
const regexes = filesBelow(root).flatMap((path) =>
  regexesIn(path.slice(root.length), Deno.readTextFileSync(path))
);

function filesBelow(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${dir}${name}/`) : name.endsWith(".ts") ? [dir + name] : []
  );
}

Deno.test("no expression takes time that grows faster than the text it sees", () => {
  const slow = regexes.flatMap(({ path, text, literal }) => {
    const input = literal && slowInput(literal.pattern, literal.flags);
    return input === undefined ? [] : [`${path} ${text}: ${JSON.stringify(input)}`];
  });
  assertEquals(slow, []);
});

/** Expressions that are put together, and were looked at: none has a repeated part that can begin in several places. */
const REVIEWED = {
  "wire/message_ends.ts": 4, // sees the first 512 and the last 320 characters of a message, or less
  "transport/line_framer.ts": 2, // sees the first and the last 4 KiB of a line
  // The name of a server, literally, with characters of fixed number around it.
  "adopt/clients/augment.ts": 1,
  "adopt/clients/aws.ts": 1,
  "adopt/clients/claude_code.ts": 2, // a repeated part begins at one key at the start of a line, and ends before the next
  "adopt/clients/codex.ts": 1,
  "adopt/clients/copilot_cli.ts": 1,
  "adopt/clients/cursor.ts": 2,
  "adopt/clients/gemini.ts": 2,
  "adopt/clients/opencode.ts": 1,
  "adopt/clients/vs_code.ts": 2,
  "adopt/clients/zed.ts": 1,
  // Each alternative begins with a fixed text, and no part of it repeats without a bound.
  "tool/material/private_keys.ts": 5,
  "tool/material/secret_tokens.ts": 1,
  "tool/material/surrounded_secrets.ts": 3,
  "observe/redaction.ts": 3, // a name, fixed but for its separators, before and after it what it is not made of
  "workspace/worth_reading.ts": 2, // a name from its first character on, or its end
  "process/cmd_shim.ts": 2, // each repeated part ends at a quote or a line end
};

Deno.test("an expression that is put together was looked at", () => {
  const built = Object.groupBy(regexes.filter(({ literal }) => !literal), ({ path }) => path);
  const counts = Object.fromEntries(Object.entries(built).map(([path, found]) => [path, found!.length]));
  assertEquals(counts, REVIEWED);
});

Deno.test("a slow expression is found, and none invented, when single runs are held up for long", () => {
  const [square, step] = [(chars: number) => chars ** 2 / 5e6, (chars: number) => chars / 5e4];
  for (const [timeOf, isSlow] of [[square, true], [step, false]] as const) {
    for (const isHeldUp of [(n: number) => n % 3 === 1, (n: number) => n < 2, (n: number) => n % 2 === 0]) {
      let runs = 0;
      assertEquals(growsTooFast((chars) => timeOf(chars) + (isHeldUp(runs++) ? 25 : 0)), isSlow);
    }
  }
});

Deno.test("secrets are taken out of a text in one pass, overlapping ones and every way they are written", () => {
  for (const secret of ["pass-w0rd-one", "w0rd-one-and-two", 'quo"ted\\secret', "zz"]) registerSecret(secret);
  assertEquals(redact("a pass-w0rd-one b"), "a [secret] b");
  assertEquals(redact("a pass-w0rd-one-and-two b"), "a [secret] b", "nothing of two that overlap is left");
  assertEquals(redact("pass-w0rd-onepass-w0rd-one"), "[secret][secret]");
  assertEquals(redact(JSON.stringify({ a: 'quo"ted\\secret' })), '{"a":"[secret]"}');
  assertEquals(redact("zz top"), "zz top");
  assertEquals(redact("pass-w0rd-on"), "pass-w0rd-on");
  for (let i = 0; i < 500; i++) registerSecret(`made-${i}-${crypto.randomUUID()}`);
  registerSecret("made-up\ud800");
  const text = "made-".repeat(20_000);
  assertEquals(redact(text), text);
});

Deno.test("what looks like a secret is taken out wherever it stands", () => {
  const jwt = `eyJ${"a".repeat(20)}.${"b".repeat(20)}.${"c".repeat(20)}`;
  for (
    const [text, clean] of [
      [`x ${jwt} y`, "x [secret] y"],
      [`token-${jwt}`, "token-[secret]"],
      [`${"a".repeat(12)}.${jwt}`, `${"a".repeat(12)}.[secret]`],
      [`eyJshort.${jwt} ${jwt}`, "eyJshort.[secret] [secret]"],
      ["xeyJaaaaaaaaaaaa.bbbbbbbbbbbb.c", "xeyJaaaaaaaaaaaa.bbbbbbbbbbbb.c"],
      ["postgres://ada:secret-word@host/db", "postgres://ada:[secret]@host/db"],
      ["see http://host:80/a@b", "see http://host:80/a@b"],
    ]
  ) assertEquals(redactSecrets(text!), clean);
});

Deno.test("a pattern with many stars fits names as it should, in time that grows with the name", () => {
  const fits = (pattern: string, text: string) => anyOf([pattern]).test(text);
  for (
    const [pattern, text] of [["*", ""], ["a*", "a"], ["*a*b", "xaxxb"], ["a*a", "aa"], ["a*b*c", "abbc"], [
      "a",
      "a",
    ]]
  ) {
    assert(fits(pattern!, text!), `${pattern} ${text}`);
  }
  for (
    const [pattern, text] of [["a*a", "a"], ["*ab*b", "ab"], ["a*b*c", "acb"], ["a", "aa"], ["", "a"], [
      "a.c",
      "abc",
    ]]
  ) {
    assert(!fits(pattern!, text!), `${pattern} ${text}`);
  }
  assert(anyOf(["CURSOR*"], { ignoreCase: true }).test("cursor-vscode"));
  assert(!anyOf(["*a*a*a*a*a*a*a*a*b"]).test("a".repeat(100_000)));
});

Deno.test("the ends of a text are trimmed, and an analysis is found in its fence", () => {
  assertEquals([trimEndOf("a//\\", "/\\"), trimEndOf("//", "/"), trimStartOf("--a-", "-")], ["a", "", "a-"]);
  assertEquals(parseAnalysis('I say:\n```json\n{"a": 1}\n```\nSo {it} is.'), { a: 1 });
  assertEquals(parseAnalysis('```\n{"a": 2}\n  ```'), { a: 2 });
  const fences = "```\n".repeat(100_000);
  assertEquals(parseAnalysis(fences), { text: fences });
});

Deno.test("an answer under an id of any length is read", () => {
  const id = "a".repeat(12_000_000);
  assertEquals(peek(`{"jsonrpc":"2.0","id":"${id}","result":{}}`)?.kind, "response");
});

Deno.test("what is said in a running call is shown only where it is recorded, whatever it is, at once", async () => {
  for (const callsBodies of [false, true]) {
    const odd = new OddServer();
    await using it = await testDaemon({ servers: [odd], settings: { callsBodies } });
    using client = await RawClient.hello(it.url);
    const begun = odd.nextHold();
    const args = { a: "eyJ-".repeat(40_000), b: "a.".repeat(80_000), password: "hush" };
    client.send({ op: "call_tool", request_id: 1, name: "hold", arguments: args });
    await begun;
    const list = await (await fetch(new URL("/calls?outcome=running", it.http))).json();
    const { call } = await (await fetch(new URL(`/calls?id=${list.calls[0].id}`, it.http))).json();
    assertEquals(call.tool, "hold");
    assertEquals(typeof call.request, callsBodies ? "string" : "undefined");
    odd.release.resolve();
    await client.next();
    await client.close();
  }
  const text = redactedJson({ a: "eyJ-".repeat(40_000), b: "a.".repeat(80_000), password: "hush" }, 1e6);
  assert(!text.includes("hush"));
});
