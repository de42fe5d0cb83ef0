import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Caller } from "../lib/call/call.ts";
import { agentRig, PRINTED, printing } from "./helpers/fake_agents.ts";
import { makeCall } from "./helpers/exai_tools.ts";
import { until } from "./helpers/until.ts";

const ALL = Object.fromEntries(Object.entries(PRINTED).map(([name, lines]) => [name, printing(lines)]));

Deno.test("an agent gets what it signs in with, and nothing of the window that started the daemon", async () => {
  await using rig = await agentRig(ALL, {
    env: {
      ANTHROPIC_API_KEY: "k",
      CLAUDECODE: "1",
      CLAUDE_CODE_ENTRYPOINT: "cli",
      EXAI_TOKEN: "t",
      OPENAI_API_KEY: "o",
    },
  });
  await rig.tools.call("clink", { prompt: "p", agent: "claude" });
  const { env } = await rig.startOf("claude");
  assertEquals(env.ANTHROPIC_API_KEY, "k");
  const names = ["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "EXAI_TOKEN", "OPENAI_API_KEY"];
  assertEquals(names.filter((name) => name in env), []);
});

Deno.test("a cancelled task ends the agent with everything it has started", async () => {
  // Both ignore the signal that asks them to end.
  const script =
    `trap "" TERM; sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 1; done' &\necho started\nwait`;
  await using rig = await agentRig({ claude: script });
  const abort = new AbortController();
  const call = rig.tools.call("clink", { prompt: "p", agent: "claude" }, { signal: abort.signal })
    .catch((thrown) => thrown);
  const readChild = () => Deno.readTextFile(`${rig.cwd}/child`).catch(() => "");
  await until("its child", async () => (await readChild()).endsWith("\n") || undefined);
  const pid = Number(await readChild());
  assertEquals(rig.host.running.size, 1);
  abort.abort();
  assertEquals((await call).code, "CANCELLED");
  await until("its end", () => rig.host.running.size === 0 || undefined);
  assertEquals(isAlive(pid), false);
});

Deno.test("an agent that takes too long is stopped, and what it said is in the error", async () => {
  const script = `${printing(PRINTED.codex.slice(0, 4))}\nsleep 60`;
  await using rig = await agentRig({ codex: script }, {
    clink: { agents: { codex: { timeoutSeconds: 1 } } },
  });
  const { answer } = await rig.tools.call("clink", { prompt: "p", agent: "codex" });
  assertEquals(answer.metadata.error_code, "TIMEOUT");
  assertStringIncludes(String(answer.content), "timeoutSeconds");
  assertStringIncludes(String(answer.content), "I look at it.");
});

Deno.test("an agent that clink runs cannot have clink run another, beyond maxDepth", async (test) => {
  const holds = `echo $$ > "$PWD/agent"; while [ ! -e "$PWD/go" ]; do sleep 0.02; done\n${ALL.claude}`;
  for (const [maxDepth, isRefused] of [[1, true], [2, false]] as const) {
    await test.step(`${maxDepth}`, async () => {
      await using rig = await agentRig({ claude: holds, codex: ALL.codex! }, { clink: { maxDepth } });
      const outer = rig.tools.call("clink", { prompt: "p", agent: "claude" });
      const readPid = () => Deno.readTextFile(`${rig.cwd}/agent`).catch(() => "");
      await until("an agent", async () => (await readPid()).endsWith("\n") || undefined);
      // The shim of the agent is started by a process of the agent.
      const { caller } = makeCall("tools/call", {});
      const parts = { caller: { ...caller, cwd: rig.cwd, parentPid: Number(await readPid()) } as Caller };
      const inner = await rig.tools.call("clink", { prompt: "p", agent: "codex" }, parts);
      assertEquals(inner.isError, isRefused, String(inner.answer.content));
      if (isRefused) assertStringIncludes(String(inner.answer.content), "maxDepth");
      await Deno.writeTextFile(`${rig.cwd}/go`, "");
      assertEquals((await outer).isError, false);
    });
  }
});

Deno.test("agents that run end with the daemon, each with what it has started", async () => {
  const script = `sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 1; done' &\nwait`;
  await using rig = await agentRig({ claude: script });
  const call = rig.tools.call("clink", { prompt: "p", agent: "claude" });
  const readChild = () => Deno.readTextFile(`${rig.cwd}/child`).catch(() => "");
  await until("its child", async () => (await readChild()).endsWith("\n") || undefined);
  await rig.runner[Symbol.asyncDispose]();
  assertEquals(isAlive(Number(await readChild())), false);
  assertEquals((await call).isError, true);
});

Deno.test("only so many agents run at once as maxRunning says", async () => {
  const holds = `while [ ! -e "$PWD/go" ]; do sleep 0.02; done\n${ALL.claude}`;
  await using rig = await agentRig({ claude: holds }, { clink: { maxRunning: 1 } });
  const first = rig.tools.call("clink", { prompt: "p" });
  await until("an agent", () => rig.host.running.size === 1 || undefined);
  const second = await rig.tools.call("clink", { prompt: "p" });
  assertEquals(second.answer.metadata.error_code, "OVER_CAPACITY");
  await Deno.writeTextFile(`${rig.cwd}/go`, "");
  assertEquals((await first).isError, false);
  assertEquals((await rig.tools.call("clink", { prompt: "p" })).isError, false);
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
