import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { HeadersHelpers } from "../../lib/auth/headers_helper.ts";
import { joinedAuthorization } from "../../lib/auth/joined_authorization.ts";
import { readHelperHeaders } from "../../lib/auth/helper_headers.ts";
import { HelperFault, HelperPrograms } from "../../lib/auth/helper_programs.ts";
import { withAdvice } from "../../lib/call/server_trouble.ts";
import { ServerErrors } from "../../lib/upstream/instance/server_errors.ts";
import { ExaiError } from "../../lib/base/errors.ts";
import { redact } from "../../lib/base/log.ts";
import type { ServerAuthorization } from "../../lib/remote/authorization.ts";
import { tempDir } from "../helpers/files.ts";

const NOW = 1_800_000_000_000;
const NEVER = new AbortController().signal;
const ANY = { method: "POST", url: new URL("https://mcp.example/mcp") };

/** Counts its runs in a file, and prints what `output` makes of their number. */
function program(counter: string, output: string): string[] {
  const code = `const f = ${
    JSON.stringify(counter)
  }; let n = 0; try { n = Number(Deno.readTextFileSync(f)) } catch {}
    Deno.writeTextFileSync(f, String(++n)); ${output}`;
  return [Deno.execPath(), "eval", code];
}

async function rig(output: string, more: { timeoutMs?: number } = {}) {
  const dir = await tempDir({});
  const counter = `${dir.path}/runs`;
  const clock = { ms: NOW };
  const env = {
    PATH: Deno.env.get("PATH")!,
    HOME: dir.path,
    SystemRoot: Deno.env.get("SystemRoot"),
    CANARY: "of-the-daemon",
  };
  const programs = new HelperPrograms({ env, login: {}, ...more });
  const helpers = new HeadersHelpers({ programs, now: () => clock.ms });
  const config = {
    name: "s",
    title: "S",
    url: "https://mcp.example/mcp",
    headersHelper: program(counter, output),
  };
  return {
    clock,
    helpers,
    config,
    helper: helpers.of(config)!,
    runs: async () => Number(await Deno.readTextFile(counter).catch(() => "0")),
    async [Symbol.asyncDispose]() {
      await programs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

const PRINTS = (more = "") =>
  `console.log(JSON.stringify({ Authorization: "Bearer canary-token-" + n, "X-Team": "a" ${more} }))`;

Deno.test("a program's headers are sent until they expire, and one run serves all who wait", async () => {
  await using it = await rig(PRINTS(', "expires_in": 100'));
  const all = await Promise.all([it.helper.headersFor(), it.helper.headersFor(), it.helper.headersFor()]);
  assertEquals(all[0], { authorization: "Bearer canary-token-1", "x-team": "a" });
  assertEquals([all[1], all[2], await it.runs()], [all[0], all[0], 1]);
  it.clock.ms += 89_000;
  assertEquals(await it.helper.headersFor(), all[0]);
  it.clock.ms += 2_000;
  assertEquals((await it.helper.headersFor()).authorization, "Bearer canary-token-2");
  assertEquals(redact("x canary-token-1 y canary-token-2"), "x [secret] y [secret]");
});

Deno.test("a program that does not say how long its headers are good is run again after five minutes", async () => {
  await using it = await rig(`n === 2 ? Deno.exit(3) : ${PRINTS()}`);
  await it.helper.headersFor();
  it.clock.ms += 280_000;
  await it.helper.headersFor();
  assertEquals(await it.runs(), 1);
  it.clock.ms += 30_000;
  assertEquals(
    (await it.helper.headersFor()).authorization,
    "Bearer canary-token-1",
    "it fails, and the last ones may be good",
  );
  it.clock.ms += 6_000;
  assertEquals((await it.helper.headersFor()).authorization, "Bearer canary-token-3");
});

Deno.test("after a 401 the program is run once more, and not for each request", async () => {
  await using it = await rig(PRINTS());
  const sent = await it.helper.headersFor();
  const refusal = { status: 401, challenge: null, sent } as const;
  assertEquals(await it.helper.refused({ ...refusal, status: 403 }, NEVER), false);
  assertEquals(await it.helper.refused(refusal, NEVER), true);
  assertEquals(await it.helper.refused(refusal, NEVER), true, "renewed for another request");
  assertEquals(await it.runs(), 2);
  assertEquals(await it.helper.refused({ ...refusal, sent: await it.helper.headersFor() }, NEVER), false);
  assertEquals(await it.runs(), 2);
});

Deno.test("all requests that are refused at once are sent again with the headers of one run", async () => {
  await using it = await rig(PRINTS());
  const refusal = { status: 401, challenge: null, sent: await it.helper.headersFor() } as const;
  const all = await Promise.all([1, 2, 3].map(() => it.helper.refused(refusal, NEVER)));
  assertEquals([all, await it.runs()], [[true, true, true], 2]);
});

Deno.test("a program that fails is said with what it wrote on stderr, and not run for each request", async () => {
  await using it = await rig(
    `console.log("canary-on-stdout"); console.error("sign in to the vault first"); Deno.exit(4)`,
  );
  const fail = async () => {
    const thrown = await assertRejects(() => it.helper.headersFor(), ExaiError);
    const shown = withAdvice(new ServerErrors("S").of(thrown), { name: "S", kind: "http" }) as ExaiError;
    assert(!shown.message.includes("url and headers"), "the entry is not at fault");
    return shown.message;
  };
  const message = await fail();
  assertStringIncludes(message, "put right that program, or headersHelper in mcp.json");
  assertStringIncludes(message, 'the headersHelper of server "S" gave no headers');
  assertStringIncludes(message, "exit code 4: sign in to the vault first");
  assert(!message.includes("canary"));
  assertEquals([await fail(), await it.runs()], [message, 1]);
  it.clock.ms += 6_000;
  await fail();
  assertEquals(await it.runs(), 2);
});

Deno.test("a program is ended after its time, and one that is not there is named", async () => {
  await using it = await rig("setInterval(() => {}, 1000)", { timeoutMs: 500 });
  await assertRejects(() => it.helper.headersFor(), ExaiError, "has not ended within 0.5 s");
  const gone = it.helpers.of({ ...it.config, headersHelper: ["no-such-program-of-exai"] })!;
  await assertRejects(() => gone.headersFor(), ExaiError, "there is no program no-such-program-of-exai");
});

Deno.test("a program is given the server it is for, and nothing of the daemon's own environment", async () => {
  await using it = await rig(
    `const e = (k) => Deno.env.get(k) ?? "none"; console.log(JSON.stringify({ A: e("CLAUDE_CODE_MCP_SERVER_NAME"), B: e("CLAUDE_CODE_MCP_SERVER_URL"), C: e("EXAI_ACCOUNT"), D: e("CANARY") }))`,
  );
  assertEquals(await it.helper.headersFor(), {
    a: "S",
    b: "https://mcp.example/mcp",
    c: "default",
    d: "none",
  });
  assert(it.helpers.of({ ...it.config }) === it.helper);
  const work = it.helpers.of({ ...it.config, account: "work" })!;
  assertEquals((await work.headersFor()).c, "work");
});

Deno.test("what a helper prints is read in the forms that people write", () => {
  const until = (text: string) => readHelperHeaders(text, NOW).untilMs - NOW;
  assertEquals(readHelperHeaders('{"headers": {"X-Key": "k1234567"}, "ttl": "60"}', NOW).headers, {
    "x-key": "k1234567",
  });
  assertEquals(until('{"A": "b", "ttl": 60}'), 54_000);
  assertEquals(until(`{"A": "b", "expires_at": ${NOW / 1000 + 3600}}`), 3_590_000);
  assertEquals(until(`{"A": "b", "expires_at": ${NOW + 3_600_000}}`), 3_590_000);
  assertEquals(until(`{"A": "b", "expires_at": "${new Date(NOW + 3_600_000).toISOString()}"}`), 3_590_000);
  assertEquals(until('{"A": "b"}'), 290_000);
  for (
    const [text, why] of [
      ["canary", "did not print a JSON object"],
      ["[1]", "did not print a JSON object"],
      ["{}", "no headers"],
      ['{"A": {"canary": 1}}', 'header "A" is no text'],
      ['{"a b": "canary"}', '"a b" is no HTTP header'],
      ['{"A": "canary\\n1"}', '"A" is no HTTP header'],
      ['{"Mcp-Session-Id": "canary"}', "for EXAI to set"],
      ['{"A": "b", "expires_in": "canary"}', "no number of seconds"],
      ['{"A": "b", "expires_at": "canary"}', "neither seconds"],
      ['{"A": "b", "expires_in": -5}', "have expired"],
    ] as const
  ) {
    const { message } = assertThrows(() => readHelperHeaders(text, NOW), HelperFault);
    assertStringIncludes(message, why);
    assert(!message.includes("canary"), message);
  }
});

Deno.test("beside an account, a program's headers count, and who gave what was refused is asked", async () => {
  await using it = await rig(`console.log('{"X-Team": "a"}')`);
  let refusals = 0;
  const account: ServerAuthorization = {
    headersFor: () => Promise.resolve({ authorization: "Bearer of-the-account", "x-team": "b" }),
    refused: () => Promise.resolve(++refusals > 0),
  };
  const both = joinedAuthorization(it.helper, account);
  const sent = await both.headersFor(ANY);
  assertEquals(sent, { authorization: "Bearer of-the-account", "x-team": "a" });
  assertEquals([await both.refused({ status: 401, challenge: null, sent }, NEVER), refusals], [true, 1]);
  await using own = await rig(PRINTS());
  const alone = joinedAuthorization(own.helper, account);
  const first = await alone.headersFor(ANY);
  assertEquals(first.authorization, "Bearer canary-token-1");
  assertEquals([await alone.refused({ status: 401, challenge: null, sent: first }, NEVER), refusals], [
    true,
    1,
  ]);
});
