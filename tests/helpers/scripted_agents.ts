import type { AgentAnswer, AgentInfo, Agents, AgentTask } from "../../lib/agent/agents.ts";

/** Agents that answer without a process, and a list of what they were asked. */
export class ScriptedAgents implements Agents {
  readonly asked: AgentTask[] = [];
  readonly hasAny = true;

  list(): Promise<AgentInfo[]> {
    return Promise.resolve([{ name: "claude" }]);
  }

  run(task: AgentTask): Promise<AgentAnswer> {
    this.asked.push(task);
    return Promise.resolve({ text: "an answer", role: "default", session: "s", resumed: false, denied: [] });
  }
}
