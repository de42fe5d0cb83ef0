import * as z from "zod";
import type { AgentAnswer } from "../../agent/agents.ts";
import { ExaiError } from "../../base/errors.ts";
import { textOf } from "../../base/json.ts";
import { roundUsd } from "../../provider/spending.ts";
import type { Turn } from "../../state/thread_store.ts";
import { ProgressHeartbeat, progressSender } from "../dialogue/call_progress.ts";
import { writeExchange } from "../dialogue/fit_history.ts";
import { toHistory } from "../dialogue/history.ts";
import { makeRoom } from "../dialogue/make_room.ts";
import { storeExchange } from "../dialogue/store_exchange.ts";
import { continuationField, modelFields, promptText } from "../fields.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import type { ToolOutput } from "../tool_output.ts";

/** Characters of a conversation that an agent is told; the oldest part is left out. */
const MAX_CONVERSATION_CHARS = 40_000;
const MAX_FILES = 100;

const input = z.object({
  prompt: promptText,
  agent: z.string().min(1).max(64).optional().describe("claude, codex, gemini, opencode or of clink.json"),
  role: z.string().min(1).max(64).optional().describe("default, planner, codereviewer or of clink.json"),
  files: z.array(z.string().min(1)).max(MAX_FILES).optional(),
  ...continuationField,
  model: modelFields.model,
});

type ClinkArgs = z.output<typeof input>;

/** Hands a task to the command line of another agent, in the directory of the session. */
export const clink = defineTool({
  name: "clink",
  title: "Clink",
  description:
    "Hand a task to another coding agent's command line, which works on it in this directory and answers.",
  input,
  annotations: { destructiveHint: true, openWorldHint: true },
  needs: "agent",
  ignores: ["temperature", "thinking_mode", "use_websearch"],
  run: handOver,
});

async function handOver(args: ClinkArgs, context: ToolContext): Promise<ToolOutput> {
  const { prompt, role, files = [], continuation_id, model } = args;
  const { agents, caller, threads, workspace, signal } = context;
  const cwd = await workingDirectory(context);
  const paths = await Promise.all(files.map(async (file) => (await workspace.find(file)).path));
  const send = progressSender(context);
  using _turn = continuation_id === undefined
    ? undefined
    : await threads.enter(continuation_id, { signal, onWait: send });
  const turns = continuation_id === undefined ? [] : (await threads.show(continuation_id)).turns;
  const room = continuation_id === undefined ? undefined : await makeRoom(continuation_id, context);
  const agent = args.agent ?? agentOf(turns.findLast(isOfAgent)) ?? await firstAgent(context);
  const last = turns.findLastIndex((turn) => agentOf(turn) === agent);
  using heartbeat = new ProgressHeartbeat((message) => send(message));
  const answer = await agents.run({
    agent,
    role,
    prompt,
    files: paths,
    cwd,
    model,
    session: textOf(turns[last]?.reply?.session),
    conversation: { whole: conversationOf(turns), since: conversationOf(turns.slice(last + 1)) },
    parentPid: caller.parentPid,
  }, { signal, onProgress: heartbeat.send });
  const thread = await storeExchange({
    threadId: continuation_id,
    tool: "clink",
    title: prompt,
    request: { prompt, agent, ...(files.length > 0 ? { files } : {}) },
    reply: {
      content: answer.text,
      model: answer.model,
      provider: agent,
      speaker: [agent, answer.model].filter((part) => part !== undefined).join("/"),
      session: answer.session,
    },
  }, context);
  return {
    content: answer.text,
    contentType: "markdown",
    model: answer.model,
    provider: agent,
    usage: answer.usage,
    facts: { ...factsOf(answer), ...room, ...thread.facts },
    continuation: thread.continuation,
  };
}

/** An agent can read and, if the user lets it, change more than the tools of the session. */
async function workingDirectory({ caller, workspace }: ToolContext): Promise<string> {
  if (caller.namedDirs !== "read" || caller.cwd === undefined) {
    throw new ExaiError(
      "FORBIDDEN",
      "clink starts agents only for windows of this user on this machine that told their directory: connect by the " +
        "shim, not over HTTP",
    );
  }
  return (await workspace.find(caller.cwd)).path;
}

async function firstAgent({ agents }: ToolContext): Promise<string> {
  const [first, ...others] = await agents.list();
  if (first !== undefined && first.why === undefined) return first.name;
  const why = [first, ...others].map((agent) => `- ${agent?.why ?? "none is known"}`).join("\n");
  throw new ExaiError("UPSTREAM_UNAVAILABLE", `there is no agent to hand this to:\n${why}`);
}

function isOfAgent({ tool }: Turn): boolean {
  return tool === "clink";
}

function agentOf(turn: Turn | undefined): string | undefined {
  return turn !== undefined && isOfAgent(turn) ? textOf(turn.reply?.provider) : undefined;
}

/** What was said in `turns`, for an agent that was not there. */
function conversationOf(turns: readonly Turn[]): string {
  const { earlier = "", exchanges, unanswered } = toHistory(turns);
  const parts = [earlier, ...exchanges.map(writeExchange), unanswered].filter((part) => part !== "");
  const kept = parts.slice(-1).map((part) => part.slice(-MAX_CONVERSATION_CHARS));
  let chars = kept.join("").length;
  for (const part of parts.slice(0, -1).toReversed()) {
    chars += part.length;
    if (chars > MAX_CONVERSATION_CHARS) break;
    kept.unshift(part);
  }
  const leftOut = parts.length - kept.length;
  const note = leftOut === 0 ? [] : [`(The oldest ${leftOut} of ${parts.length} exchanges are left out.)`];
  return [...note, ...kept].join("\n\n");
}

function factsOf({ role, session, resumed, costUsd, denied }: AgentAnswer): ToolOutput["facts"] {
  return {
    role,
    agent_session: session,
    resumed: resumed || undefined,
    ...(costUsd === undefined ? {} : { cost: { usd: roundUsd(costUsd) } }),
    ...(denied.length === 0 ? {} : {
      not_permitted: [...denied],
      permissions: "the user can permit more by permissions of this agent in clink.json (docs/clink.md)",
    }),
  };
}
