import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import type { Caller } from "../lib/call/call.ts";
import { memberOf } from "../lib/wire/raw_object.ts";
import { agentRig, PRINTED, printing } from "./helpers/fake_agents.ts";
import { makeCall } from "./helpers/exai_tools.ts";

const ALL = Object.fromEntries(Object.entries(PRINTED).map(([name, lines]) => [name, printing(lines)]));

Deno.test("what an agent reports is in the metadata: model, tokens, money, what it was not permitted", async () => {
  await using rig = await agentRig(ALL);
  const { metadata } = (await rig.tools.call("clink", { prompt: "p", agent: "claude" })).answer;
  assertEquals(metadata.model, "claude-opus-4-8");
  assertEquals(metadata.usage, { input_tokens: 12, output_tokens: 3, cached_tokens: 5 });
  assertEquals([metadata.cost, metadata.not_permitted], [{ usd: 0.25 }, ["Bash rm x"]]);
  assertStringIncludes(String(metadata.permissions), "clink.json");
});

Deno.test("a model is handed on to the agent, as the call or clink.json names it", async () => {
  await using rig = await agentRig(ALL, { clink: { agents: { codex: { model: "from-file" } } } });
  await rig.tools.call("clink", { prompt: "p", agent: "codex" });
  await rig.tools.call("clink", { prompt: "p", agent: "codex", model: "from-call" });
  const models = [await rig.startOf("codex", 1), await rig.startOf("codex", 2)].map(({ args }) =>
    args[args.indexOf("--model") + 1]
  );
  assertEquals(models, ["from-file", "from-call"]);
  const { args } = await rig.startOf("codex", 2);
  assertEquals(args.at(-1), "-");
});

Deno.test("a conversation is told to another agent, whole, and to an agent that lost its session", async (test) => {
  const gone = `case "$*" in *--resume*) echo '${
    JSON.stringify({ type: "result", is_error: true, errors: ["No conversation found with session ID: c-1"] })
  }'; exit 1;; esac\n${ALL.claude}`;
  await using rig = await agentRig({ ...ALL, claude: gone });
  const first = await rig.tools.call("clink", { prompt: "first question", agent: "claude" });
  const { continuation_id } = first.answer.continuation_offer!;
  await test.step("another agent", async () => {
    await rig.tools.call("clink", { prompt: "second", agent: "codex", continuation_id });
    const { input } = await rig.startOf("codex");
    assertStringIncludes(input, "first question");
    assertStringIncludes(input, "claude's answer");
  });
  await test.step("a lost session", async () => {
    const { answer, isError } = await rig.tools.call("clink", {
      prompt: "third",
      agent: "claude",
      continuation_id,
    });
    assertEquals([isError, answer.content, answer.metadata.resumed], [false, "claude's answer", undefined]);
    const { input } = await rig.startOf("claude", 3);
    assertStringIncludes(input, "first question");
    assertStringIncludes(input, "codex's answer");
  });
});

Deno.test("of a conversation too long for an agent it is told the newest part, and that the rest is missing", async () => {
  await using rig = await agentRig(ALL);
  const { answer } = await rig.tools.call("chat", { prompt: `oldest ${"x".repeat(30_000)}` });
  const { continuation_id } = answer.continuation_offer!;
  await rig.tools.call("chat", { prompt: `newer ${"y".repeat(30_000)}`, continuation_id });
  await rig.tools.call("clink", { prompt: "build it", agent: "gemini", continuation_id });
  const { input } = await rig.startOf("gemini");
  assertStringIncludes(input, "(The oldest 1 of 2 exchanges are left out.)");
  assertEquals([input.includes("oldest x"), input.includes("newer y")], [false, true]);
  await rig.tools.call("chat", { prompt: `huge ${"z".repeat(50_000)}`, continuation_id });
  await rig.tools.call("clink", { prompt: "go on", agent: "codex", continuation_id });
  const later = (await rig.startOf("codex")).input;
  assertStringIncludes(later, "[The beginning does not fit and is left out.]");
  assert(later.length < 60_000, `${later.length} characters`);
});

Deno.test("an agent that answers a chat's thread is told what the model said, and chat sees its answer", async () => {
  await using rig = await agentRig(ALL);
  const chat = await rig.tools.call("chat", { prompt: "which database?" });
  const { continuation_id } = chat.answer.continuation_offer!;
  await rig.tools.call("clink", { prompt: "build it", agent: "gemini", continuation_id });
  const { input } = await rig.startOf("gemini");
  assertStringIncludes(input, "which database?");
  assertStringIncludes(input, "an answer");
});

Deno.test("roles are instructions: built in, of clink.json as text or file; an unknown one is named", async () => {
  const clink = { roles: { tester: "You test.", writer: { file: "writer.md" } } };
  await using rig = await agentRig(ALL, { clink, files: { "writer.md": "You write." } });
  const said = async (role: string) => {
    const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "codex", role });
    return String(answer.content);
  };
  await said("tester");
  await said("writer");
  await said("planner");
  assertStringIncludes((await rig.startOf("codex", 1)).input, "# Role\nYou test.");
  assertStringIncludes((await rig.startOf("codex", 2)).input, "# Role\nYou write.");
  assertStringIncludes((await rig.startOf("codex", 3)).input, "You are a planner");
  assertStringIncludes(await said("testr"), "did you mean tester?");
});

Deno.test("an agent of clink.json runs: its arguments, the prompt among them, its environment, its output as text", async () => {
  const mine = {
    command: "{bin}/mine",
    args: ["--ask", "{prompt}"],
    env: { MINE: "${env:SECRET}" },
    model: "m",
  };
  await using rig = await agentRig({ mine: 'printf "\\033[1mbold\\033[0m\\nanswer\\n"' }, {
    clink: { agents: { mine: { ...mine, modelArgs: ["-m", "{model}"] } } },
    env: { SECRET: "s3cret" },
  });
  assertEquals(rig.faults, []);
  const { answer } = await rig.tools.call("clink", { prompt: "a $(task) 'quoted' $&", agent: "mine" });
  assertEquals(answer.content, "bold\nanswer");
  const { args, env, input } = await rig.startOf("mine");
  assertEquals(args.slice(0, 3), ["-m", "m", "--ask"]);
  assertStringIncludes(args[3]!, "a $(task) 'quoted' $&");
  assertEquals([env.MINE, input], ["s3cret", ""]);
});

Deno.test("without a name the first agent there is is asked; with none, each is named with how to get it", async (test) => {
  await test.step("one", async () => {
    await using rig = await agentRig({ gemini: ALL.gemini! });
    const { answer } = await rig.tools.call("clink", { prompt: "p" });
    assertEquals(answer.metadata.provider, "gemini");
  });
  await test.step("none", async () => {
    await using rig = await agentRig({});
    const { answer, isError } = await rig.tools.call("clink", { prompt: "p" });
    assertEquals(isError, true);
    for (const name of Object.keys(PRINTED)) assertStringIncludes(String(answer.content), name);
    assertStringIncludes(String(answer.content), "npm install -g @openai/codex");
  });
  await test.step("a wrong name", async () => {
    await using rig = await agentRig({});
    const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "cluade" });
    assertStringIncludes(String(answer.content), "did you mean claude?");
  });
  await test.step("a disabled one", async () => {
    await using rig = await agentRig(ALL, { clink: { agents: { claude: { disabled: true } } } });
    const { answer } = await rig.tools.call("clink", { prompt: "p" });
    assertEquals(answer.metadata.provider, "codex");
  });
});

Deno.test("an agent that clink.json disables or says something faulty of is not started as its preset would be", async () => {
  const clink = { agents: { claude: { disabled: true }, codex: { disabled: true, permision: [] } } };
  await using rig = await agentRig(ALL, { clink });
  for (const [agent, says] of [["claude", "claude is disabled in clink.json"], ["codex", "has a fault"]]) {
    const { answer } = await rig.tools.call("clink", { prompt: "p", agent });
    assertEquals(answer.metadata.error_code, "CONFIG");
    assertStringIncludes(String(answer.content), says!);
  }
  const listed = (await rig.runner.list()).filter(({ why }) => why === undefined).map(({ name }) => name);
  assertEquals(listed.toSorted(), ["gemini", "opencode"]);
});

Deno.test("an agent whose session had begun when it failed is not asked again: its model may have run", async () => {
  const begun = `${printing(PRINTED.claude.slice(0, 1))}\nexit 1`;
  await using rig = await agentRig({ claude: `if [ "$n" = 1 ]; then\n${ALL.claude}\nelse\n${begun}\nfi` });
  const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "claude" });
  const { continuation_id } = answer.continuation_offer!;
  const { isError } = await rig.tools.call("clink", { prompt: "q", continuation_id });
  assertEquals(isError, true);
  assert((await rig.startOf("claude", 2)).args.includes("--resume"));
  await assertRejects(() => rig.startOf("claude", 3), Deno.errors.NotFound);
});

Deno.test("the file of a role that other users can change is not used", async () => {
  await using rig = await agentRig(ALL, {
    clink: { roles: { writer: { file: "writer.md" } } },
    files: { "writer.md": "You write." },
  });
  await Deno.chmod(join(rig.cwd, "../writer.md"), 0o666);
  const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "codex", role: "writer" });
  assertEquals(answer.metadata.error_code, "CONFIG");
  assertStringIncludes(String(answer.content), "writer.md, cannot be used");
});

Deno.test("an agent that fails says why: its own error, its stderr, or that it said nothing", async (test) => {
  const failures: Record<string, [script: string, ...says: string[]]> = {
    "its own": [
      printing([
        PRINTED.claude[0]!,
        { type: "result", is_error: true, result: "Not logged in · Please run /login", session_id: "c" },
      ]) + "\nexit 1",
      "Not logged in",
      "code 1",
    ],
    "its stderr": [
      `printf '\\033[91mError: \\033[0mno such profile\\n' >&2; exit 3`,
      "Error: no such profile",
      "code 3",
    ],
    "nothing": ["exit 0", "without an answer"],
    "a signal": ["kill -9 $$", "SIGKILL"],
    "half an answer": [printing(PRINTED.codex.slice(0, 4)) + "\nexit 1", "code 1"],
  };
  for (const [name, [script, ...says]] of Object.entries(failures)) {
    await test.step(name, async () => {
      await using rig = await agentRig({ claude: script });
      const { answer, isError } = await rig.tools.call("clink", { prompt: "p", agent: "claude" });
      assertEquals([isError, answer.metadata.error_code], [true, "UPSTREAM_UNAVAILABLE"]);
      for (const text of says) assertStringIncludes(String(answer.content), text);
      assertEquals(String(answer.content).includes("[91m"), false);
    });
  }
});

Deno.test("a turn of Codex that fails is an error, and one that it overcame is none", async () => {
  const failed: JsonObject[] = [
    { type: "thread.started", thread_id: "x" },
    { type: "error", message: "Reconnecting... 1/5" },
    { type: "turn.failed", error: { message: "usage limit reached" } },
  ];
  await using bad = await agentRig({ codex: printing(failed) });
  const { answer, isError } = await bad.tools.call("clink", { prompt: "p", agent: "codex" });
  assert(isError);
  assertStringIncludes(String(answer.content), "usage limit reached");
  const lines = [...PRINTED.codex.slice(0, 3), failed[1]!, ...PRINTED.codex.slice(3)];
  await using good = await agentRig({ codex: printing(lines) });
  assertEquals(
    (await good.tools.call("clink", { prompt: "p", agent: "codex" })).answer.content,
    "codex's answer",
  );
});

Deno.test("what each agent was not permitted is named", async () => {
  const item = (more: JsonObject): JsonObject => ({ type: "item.completed", item: { id: "i", ...more } });
  const failed = item({ type: "file_change", status: "failed", changes: [{ path: "a.ts", kind: "update" }] });
  const declined = item({ type: "command_execution", status: "declined", command: "rm a.ts" });
  const use: JsonObject = {
    type: "tool_use",
    tool_name: "write_file",
    tool_id: "w",
    parameters: { path: "b.ts" },
  };
  const refused: JsonObject = {
    type: "tool_result",
    tool_id: "w",
    status: "error",
    error: { type: "policy_violation", message: "denied" },
  };
  const part: JsonObject = {
    tool: "bash",
    state: { status: "error", input: { command: "ls" }, error: "rejected" },
  };
  const { codex, gemini, opencode } = PRINTED;
  await using rig = await agentRig({
    codex: printing([...codex.slice(0, 3), failed, declined, ...codex.slice(3)]),
    gemini: printing([gemini[0]!, use, refused, ...gemini.slice(1)]),
    opencode: printing([opencode[0]!, { type: "tool_use", sessionID: "s", part }, ...opencode.slice(1)]),
  });
  const denied = async (agent: string) =>
    (await rig.tools.call("clink", { prompt: "p", agent })).answer.metadata.not_permitted;
  assertEquals(await denied("codex"), ["change a.ts", "rm a.ts"]);
  assertEquals(await denied("gemini"), ["write_file b.ts"]);
  assertEquals(await denied("opencode"), ["bash ls"]);
});

Deno.test("what an agent does is progress, each message with its name", async () => {
  await using rig = await agentRig(ALL);
  const seen: string[] = [];
  await rig.tools.call("clink", { prompt: "p", agent: "claude" }, {
    progressToken: 1,
    notify: (_method, params) => void seen.push(String(memberOf(params, "message"))),
  });
  assertEquals(seen, ["claude: Read src/a.ts"]);
});

Deno.test("an answer without end is cut in its middle, and a line without end is left out", async () => {
  const text = { type: "item.completed", item: { type: "agent_message", text: "x".repeat(100_000) + "END" } };
  await using rig = await agentRig({ codex: printing([PRINTED.codex[0]!, text]) });
  const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "codex" });
  const content = String(answer.content);
  assert(content.length < 61_000 && content.endsWith("END"), String(content.length));
  assertMatch(content, /\[40003 characters are left out here\]/);
  const long = `head -c 9000000 /dev/zero | tr '\\0' x; echo; ${ALL.codex}`;
  await using other = await agentRig({ codex: long });
  assertEquals(
    (await other.tools.call("clink", { prompt: "p", agent: "codex" })).answer.content,
    "codex's answer",
  );
});

Deno.test("a caller cannot give an agent a flag in place of a model", async () => {
  await using rig = await agentRig(ALL);
  for (const model of ["--yolo", "-y", "m --yolo", "m\n--yolo"]) {
    const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "gemini", model });
    assertEquals(answer.metadata.error_code, "INVALID_PARAMS", model);
  }
  const { isError } = await rig.tools.call("clink", {
    prompt: "p",
    agent: "claude",
    model: "claude-opus-4-8[1m]",
  });
  assertEquals(isError, false);
});

Deno.test("Gemini CLI in a directory it does not trust says how the user can change that", async () => {
  const script = "echo 'Gemini CLI is not running in a trusted directory.' >&2; exit 55";
  await using rig = await agentRig({ gemini: script });
  const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "gemini" });
  assertStringIncludes(String(answer.content), "not running in a trusted directory");
  assertStringIncludes(String(answer.content), '"permissions": ["--skip-trust"');
});

Deno.test("the arguments of clink are completed: its agents, and no models of EXAI's", async () => {
  await using rig = await agentRig(ALL, { clink: { agents: { mine: { command: "mine" } } } });
  await using client = await rig.tools.sdkClient();
  const complete = async (name: string) => {
    const ref = { type: "ref/prompt" as const, name: "clink" };
    return (await client.complete({ ref, argument: { name, value: "" } })).completion.values;
  };
  assertEquals((await complete("agent")).toSorted(), ["claude", "codex", "gemini", "mine", "opencode"]);
  assertEquals(await complete("model"), []);
});

Deno.test("agents run for windows of this user alone, in a directory the session may read", async (test) => {
  await using rig = await agentRig(ALL);
  const { caller } = makeCall("tools/call", {});
  const refusals: Record<string, Partial<Caller>> = {
    "over HTTP": { cwd: rig.cwd, namedDirs: "start" },
    "of another user": { cwd: undefined, namedDirs: "none" },
    "without a directory": { cwd: undefined },
    "at the root of the disk": { cwd: "/" },
  };
  for (const [name, parts] of Object.entries(refusals)) {
    await test.step(name, async () => {
      const call = rig.tools.server.target({
        ...makeCall("tools/call", { name: "clink", arguments: { prompt: "p" } }),
        caller: { ...caller, ...parts } as Caller,
      });
      const { result } = await call;
      assertStringIncludes(JSON.stringify(result), "FORBIDDEN");
      if (parts.cwd !== "/") assertStringIncludes(JSON.stringify(result), "clink starts agents only for");
    });
  }
  await test.step("files outside", async () => {
    const { answer } = await rig.tools.call("clink", { prompt: "p", files: ["/etc/passwd"] });
    assertEquals(answer.metadata.error_code, "FORBIDDEN");
  });
});
