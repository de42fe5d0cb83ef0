import { assert, assertEquals } from "@std/assert";
import type { Json } from "../lib/base/json.ts";
import { registerSecret } from "../lib/base/log.ts";
import { redactSecrets } from "../lib/observe/redaction.ts";
import { CUT, redactedJson } from "../lib/observe/redacted_json.ts";

/** `value` as it is recorded. What is recorded of that is the same: replays compare so. */
function recorded(value: Json): Json {
  const text = redactedJson(value, 10_000);
  const parsed: Json = JSON.parse(text);
  assertEquals(redactedJson(parsed, 10_000), text);
  return parsed;
}

const PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----";

Deno.test("a secret in a text is taken out, with its quotes or without", () => {
  for (
    const [text, clean] of [
      ['bash -c "curl --token abcdefgh"', 'bash -c "curl --token [secret]"'],
      ['run --token "abcdefgh12" now', 'run --token "[secret]" now'],
      ["run --password 'correct horse' now", "run --password '[secret]' now"],
      ['{"password":"hunter 2000","b":1}', '{"password":"[secret]","b":1}'],
      ['{\\"password\\":\\"hunter 2000\\"}', '{\\"password\\":\\"[secret]\\"}'],
      ['password = "a\\"b c"', 'password = "[secret]"'],
      ["SECRET_KEY=abcdefg x", "SECRET_KEY=[secret] x"],
      ["curl -H 'X-Api-Key: abc123' x", "curl -H 'X-Api-Key: [secret]' x"],
      ['curl -H "Authorization: Splunk d3f" x', 'curl -H "Authorization: [secret]" x'],
      ["Cookie: sid=abc; b=c\nHost: x", "Cookie: [secret]\nHost: x"],
      [`${PEM}\nmore`, "[secret]\nmore"],
      ["-----BEGIN PRIVATE KEY-----\nMIIE", "[secret]"],
      ["password: hunter\nuser: bob", "password: [secret]\nuser: bob"],
      ["password: hunter\nwell, more", "password: [secret]\nwell, more"],
      ["password: hunter user: bob", "password: [secret] user: bob"],
      ["Password:\nhunter2000\nmore", "Password:\n[secret]\nmore"],
      ["secret:\n  secretName: x\n  password: hunter22", "secret:\n  secretName: x\n  password: [secret]"],
      ["Authorization: Bearer abcdefghijkl", "Authorization: Bearer [secret]"],
      ["Authorization: Basic abcdefghijkl", "Authorization: Basic [secret]"],
      ["authorization = token abcdefghijkl", "authorization = token [secret]"],
      ["AUTHORIZATION=d3f0d3f0 A=1", "AUTHORIZATION=[secret] A=1"],
      ["run --password 12345678 now", "run --password [secret] now"],
    ]
  ) {
    assertEquals(redactSecrets(text!), clean);
    assertEquals(recorded({ text: text!, after: 1 }), { text: clean, after: 1 });
  }
});

Deno.test("what only speaks of secrets stays", () => {
  for (
    const text of [
      "token: your api token; password: as above",
      "a basic understanding of Basic authentication",
      "the --token flag, --token TOKEN",
      "interface Login { password: string; }",
      "input tokens: 12345 words",
      "password=$PASSWORD token=${env:TOKEN}",
      "secret:\n  secretName: x\ntoken:\n  from the settings",
      "secret:\n  stringData:\n    a: b",
      "authorization = needed for all users",
      "headers.authorization = find(x, y);",
      "authorization:\n  enabled: true",
      "--max-tokens 4096",
    ]
  ) assertEquals(redactSecrets(text), text);
});

Deno.test("what is in a field with the name of a secret is taken out, whatever holds it", () => {
  registerSecret("73501946");
  assertEquals(
    recorded({
      apiKey: ["k1"],
      password: { value: "hunter2000", type: "plain" },
      SECRET_KEY: "zzz",
      secretKey: "yyy",
      headers: [{ name: "Authorization", value: "abc" }, { name: "Accept", value: "*/*" }],
      args: ["x", "--token", "abcdefgh", "--max-tokens", "4096", "--password", "--quiet"],
      pins: ["--pin-token", "1234", "--password", 5678, "--max-tokens", 4096],
      secret: { type: "string", text: "s3" },
      password_schema: { properties: { password: { type: "string", default: "s3", examples: ["s4"] } } },
      secrets: { db: "hunter", pin: 1234, value: "x" },
      cookies: [{ name: "sid", value: "abc", domain: "a.org" }],
      access_tokens: { a: "x" },
      tokens: ["abc", { token: "abc", use: "ci" }],
      number: 73501946,
      ghp_abcdefghijklmnopqrstuvwx1234: true,
    }),
    {
      apiKey: ["[secret]"],
      password: { value: "[secret]", type: "plain" },
      SECRET_KEY: "[secret]",
      secretKey: "[secret]",
      headers: [{ name: "Authorization", value: "[secret]" }, { name: "Accept", value: "*/*" }],
      args: ["x", "--token", "[secret]", "--max-tokens", "4096", "--password", "--quiet"],
      pins: ["--pin-token", "[secret]", "--password", "[secret]", "--max-tokens", 4096],
      secret: { type: "string", text: "[secret]" },
      password_schema: {
        properties: { password: { type: "string", default: "[secret]", examples: ["[secret]"] } },
      },
      secrets: { db: "[secret]", pin: "[secret]", value: "[secret]" },
      cookies: [{ name: "sid", value: "[secret]", domain: "a.org" }],
      access_tokens: { a: "[secret]" },
      tokens: ["[secret]", { token: "[secret]", use: "ci" }],
      number: "[secret]",
      "[secret]": true,
    },
  );
});

Deno.test("schemas, counts and other names stay", () => {
  const token = { type: "string", description: "your token" };
  const value = {
    inputSchema: { type: "object", properties: { token, key: { $ref: "#/x" } }, required: ["token", "key"] },
    tokens: 12,
    usage: { tokens: { input: 1, output: 2 } },
    schema: { credentials: { type: "object", properties: { data: { type: "string", format: "x" } } } },
    design: { tokens: { color: { value: "#fff" } }, designTokens: [{ size: "4px" }] },
    count: { num_tokens: { type: "integer", default: 100 }, access_tokens: 3 },
    nextPageToken: "abc",
    message: "x",
    pattern_key: "abcd",
  };
  assertEquals(recorded(value), value);
});

Deno.test("what is cut is no JSON, however short it is without its secrets, and ends with no half secret", () => {
  const text = redactedJson({
    a: "password=abcdefgh ".repeat(1000),
    b: `${"x".repeat(90)}ghp_${"a".repeat(99)}`,
  }, 9000);
  assert(text.endsWith(CUT), text.slice(-50));
  const half = redactedJson({ a: `${"ghp_" + "a".repeat(4200)} ghp_${"b".repeat(200)}` }, 100);
  assert(half.endsWith(CUT) && !half.includes("ghp_"), half);
});
