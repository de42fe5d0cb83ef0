import { join } from "@std/path";
import { AgentRunner } from "../../lib/agent/agent_runner.ts";
import { readClink } from "../../lib/config/clink_file.ts";
import { clinkAfter, NO_CLINK } from "../../lib/config/clink_watch.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { CommandHost } from "../../lib/process/command_host.ts";
import { TestTools } from "./exai_tools.ts";
import { tempDir } from "./files.ts";

/** Lines as the real programs print them (claude 2.1, codex 0.171, gemini 0.61, opencode 1.18), cut to what is read. */
export const PRINTED = {
  claude: [
    {
      type: "system",
      subtype: "init",
      session_id: "c-1",
      model: "claude-opus-4-8",
      permissionMode: "default",
    },
    {
      type: "assistant",
      message: {
        role: "assistant",
        content: [{ type: "tool_use", name: "Read", input: { file_path: "src/a.ts" } }],
      },
      parent_tool_use_id: null,
      session_id: "c-1",
    },
    {
      type: "result",
      subtype: "success",
      is_error: false,
      result: "claude's answer",
      session_id: "c-1",
      total_cost_usd: 0.25,
      usage: { input_tokens: 12, output_tokens: 3, cache_read_input_tokens: 5 },
      permission_denials: [{ tool_name: "Bash", tool_use_id: "t", tool_input: { command: "rm x" } }],
    },
  ],
  codex: [
    { type: "thread.started", thread_id: "x-1" },
    { type: "item.completed", item: { id: "item_0", type: "error", message: "Model metadata not found." } },
    { type: "turn.started" },
    { type: "item.completed", item: { id: "item_1", type: "agent_message", text: "I look at it." } },
    {
      type: "item.started",
      item: { id: "item_2", type: "command_execution", command: "bash -lc ls", status: "in_progress" },
    },
    { type: "item.completed", item: { id: "item_3", type: "agent_message", text: "codex's answer" } },
    { type: "turn.completed", usage: { input_tokens: 9, cached_input_tokens: 4, output_tokens: 2 } },
  ],
  gemini: [
    { type: "init", session_id: "g-1", model: "auto" },
    { type: "message", role: "user", content: "hello" },
    { type: "message", role: "assistant", content: "Let me look.", delta: true },
    { type: "tool_use", tool_name: "read_file", tool_id: "t1", parameters: { path: "a.ts" } },
    { type: "tool_result", tool_id: "t1", status: "success" },
    { type: "message", role: "assistant", content: "gemini's ", delta: true },
    { type: "message", role: "assistant", content: "answer", delta: true },
    {
      type: "result",
      status: "success",
      stats: { input_tokens: 7, output_tokens: 2, cached: 0, models: { "gemini-3.1-pro-preview": {} } },
    },
  ],
  opencode: [
    { type: "step_start", sessionID: "ses_1", part: { type: "step-start" } },
    { type: "text", sessionID: "ses_1", part: { type: "text", text: "opencode's answer" } },
    {
      type: "step_finish",
      sessionID: "ses_1",
      part: { reason: "stop", tokens: { input: 20, output: 4, reasoning: 0, cache: { read: 1 } }, cost: 0.5 },
    },
  ],
} satisfies Record<string, JsonObject[]>;

/** A shell script that keeps what it is given beside itself and prints `lines`. */
export function printing(lines: readonly JsonObject[]): string {
  return `cat <<'LINES'\n${lines.map((line) => JSON.stringify(line)).join("\n")}\nLINES`;
}

/** One start of a fake agent. */
export interface AgentStart {
  args: string[];
  input: string;
  env: Record<string, string>;
  cwd: string;
}

/**
 * A directory with programs of these names, each a shell script, and the tools with a runner that finds no others.
 * `clink` is the content of `clink.json`; `{bin}` in it stands for the directory of the programs.
 */
export async function agentRig(
  programs: Record<string, string>,
  options: { clink?: JsonObject; env?: Record<string, string>; files?: Record<string, string> } = {},
) {
  const dir = await tempDir({ "work/a.ts": "A\n", ...options.files });
  const bin = join(dir.path, "bin");
  await Deno.mkdir(bin);
  for (const [name, script] of Object.entries(programs)) {
    const here = join(bin, name);
    // Each start is numbered by the directory it makes.
    const record = `n=1; while ! mkdir "${here}.$n" 2>/dev/null; do n=$((n+1)); done; d="${here}.$n"
cat > "$d/input"; pwd > "$d/cwd"; env > "$d/env"; for a in "$@"; do printf '%s\\0' "$a" >> "$d/args"; done; : >> "$d/args"`;
    await Deno.writeTextFile(here, `#!/bin/sh\n${record}\n${script}\n`);
    await Deno.chmod(here, 0o755);
  }
  const path = join(dir.path, "clink.json");
  const text = JSON.stringify(options.clink ?? {}).replaceAll("{bin}", bin);
  await Deno.writeTextFile(path, text);
  const read = await readClink(path, options.env ?? {});
  const host = new CommandHost({ termGraceMs: 200 });
  const runner = new AgentRunner({
    // Programs of this machine must not be found: `claude` may be among them.
    env: { PATH: `${bin}:/usr/bin:/bin`, HOME: dir.path, ...options.env },
    login: {},
    clink: () => clinkAfter(NO_CLINK, read),
    host,
  });
  const cwd = await Deno.realPath(join(dir.path, "work"));
  const tools = new TestTools({ agents: runner, cwd });
  const startOf = async (name: string, n = 1): Promise<AgentStart> => {
    const file = (part: string) => Deno.readTextFile(join(bin, `${name}.${n}`, part));
    const env = Object.fromEntries((await file("env")).split("\n").map((line) => line.split(/=(.*)/s)));
    const args = (await file("args")).split("\0").slice(0, -1);
    return { args, input: await file("input"), env, cwd: (await file("cwd")).trim() };
  };
  return {
    tools,
    runner,
    host,
    cwd,
    bin,
    faults: read.faults,
    startOf,
    async [Symbol.asyncDispose]() {
      tools[Symbol.dispose]();
      await runner[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}
