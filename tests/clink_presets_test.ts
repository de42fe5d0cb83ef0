import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { agentRig, PRINTED, printing } from "./helpers/fake_agents.ts";

const ALL = Object.fromEntries(Object.entries(PRINTED).map(([name, lines]) => [name, printing(lines)]));

/** The least permissions each preset is started with. */
const RESTRICTED: Record<string, string[]> = {
  claude: ["--permission-mode", "default", "--setting-sources", "user"],
  codex: ["--sandbox", "read-only"],
  gemini: ["--approval-mode", "default"],
  opencode: ["--pure"],
};

/** Arguments by which an agent would do whatever it likes. */
const UNSAFE = /dangerous|bypass|yolo|acceptEdits|full-access|workspace-write|--auto\b|skip-trust/i;

for (const name of Object.keys(PRINTED)) {
  Deno.test(`clink hands a task to ${name} in the session's directory, by stdin, and gives its answer`, async () => {
    await using rig = await agentRig(ALL);
    const { answer, isError } = await rig.tools.call("clink", {
      prompt: "look at it",
      agent: name,
      files: ["a.ts"],
    });
    assertEquals([isError, answer.content], [false, `${name}'s answer`]);
    assertEquals(answer.metadata.provider, name);
    assert(answer.continuation_offer !== null);
    const { input, args, cwd } = await rig.startOf(name);
    assertStringIncludes(input, "# Task\nlook at it");
    assertStringIncludes(input, `- ${rig.cwd}/a.ts`);
    assertEquals(cwd, rig.cwd);
    assertEquals(args.some((arg) => arg.includes("look at it")), false);
  });

  Deno.test(`${name} is started with the least permissions, unless clink.json gives it others`, async (test) => {
    await test.step("as it is", async () => {
      await using rig = await agentRig(ALL);
      await rig.tools.call("clink", { prompt: "p", agent: name });
      const { args } = await rig.startOf(name);
      assertEquals(RESTRICTED[name]!.filter((arg) => !args.includes(arg)), []);
      assertEquals(args.filter((arg) => UNSAFE.test(arg)), []);
    });
    await test.step("with others", async () => {
      const clink = { agents: { [name]: { permissions: ["--dangerously-do-it"] } } };
      await using rig = await agentRig(ALL, { clink });
      await rig.tools.call("clink", { prompt: "p", agent: name });
      const { args, env } = await rig.startOf(name);
      assert(args.includes("--dangerously-do-it"));
      assertEquals(RESTRICTED[name]!.filter((arg) => args.includes(arg)), []);
      assertEquals(env.OPENCODE_PERMISSION, undefined);
    });
  });

  Deno.test(`a task for ${name} that goes on continues its own session`, async () => {
    await using rig = await agentRig(ALL);
    const first = await rig.tools.call("clink", { prompt: "primary", agent: name });
    const { continuation_id } = first.answer.continuation_offer!;
    const second = await rig.tools.call("clink", { prompt: "secondary", continuation_id });
    assertEquals(second.answer.metadata.resumed, true);
    const { args, input } = await rig.startOf(name, 2);
    assert(args.includes(String(first.answer.metadata.agent_session)), args.join(" "));
    // It knows what it was told and what it said.
    assertEquals(input.includes("primary"), false);
    assertEquals(second.answer.continuation_offer!.continuation_id, continuation_id);
  });
}
