import type { AgentTask } from "./agents.ts";

const RULES =
  "Nobody is there to answer questions or to grant permissions: decide what is open, and say how. The project's " +
  "conventions are in its CLAUDE.md or AGENTS.md, if it has one. Only your last message is handed back, so it holds " +
  "everything: the answer, what you changed, what you could not do and why.";

/** What an agent is told to do, as one text; `isResumed`: it knows the conversation up to its own last answer. */
export function agentPrompt(
  { prompt, files, conversation }: AgentTask,
  { role, isResumed }: { role: string; isResumed: boolean },
): string {
  const said = isResumed ? conversation?.since : conversation?.whole;
  return [
    section("Role", role),
    section(isResumed ? "Said since by others" : "Conversation so far", said ?? ""),
    section("Task", prompt),
    section("Files to look at", files.map((path) => `- ${path}`).join("\n")),
    section("Rules", RULES),
  ].filter((part) => part !== "").join("\n\n");
}

function section(title: string, text: string): string {
  return text.trim() === "" ? "" : `# ${title}\n${text.trim()}`;
}
