import type { JsonObject } from "../base/json.ts";

/** An agent that tasks can be handed to, and whether it can be started. */
export interface AgentInfo {
  name: string;
  /** Why it cannot be started and what to do; undefined when it can. */
  why?: string;
}

/** What was said in a thread before a task. */
interface Conversation {
  /** All of it. */
  whole: string;
  /** What was said since the agent was asked last. */
  since: string;
}

/** A task for an agent. */
export interface AgentTask {
  agent: string;
  /** The name of a role; left out: `default`. */
  role?: string;
  prompt: string;
  /** Paths the agent is pointed at; it reads them itself. */
  files: readonly string[];
  /** The directory it works in: a real path. */
  cwd: string;
  /** A model by the agent's own name. */
  model?: string;
  /** A session of the agent to continue. */
  session?: string;
  conversation?: Conversation;
  /** The process that started the caller's shim, by which an agent that calls this daemon is recognized. */
  parentPid?: number;
}

/** The answer of an agent. */
export interface AgentAnswer {
  text: string;
  /** The role it had. */
  role: string;
  /** By which a later task continues. */
  session?: string;
  /** Whether the session of the task was continued. */
  resumed: boolean;
  model?: string;
  usage?: JsonObject;
  /** As the agent reports it. */
  costUsd?: number;
  /** What it wanted to do and was not permitted. */
  denied: readonly string[];
}

export interface AgentRunOptions {
  /** Aborting it ends the agent and everything it has started. */
  signal: AbortSignal;
  /** Called with what the agent does. */
  onProgress(message: string): void;
  /** Set in its environment, where nothing else that it gets has the name. */
  env?: Readonly<Record<string, string>>;
}

/** Hands tasks to the command lines of other agents. */
export interface Agents {
  /** The agents that can be started, in order of preference, then the others. */
  list(): Promise<AgentInfo[]>;
  /** Whether one could be started when that was looked at last. */
  readonly hasAny: boolean;
  /**
   * Runs `task` in a process of its own.
   *
   * @throws {ExaiError} `INVALID_PARAMS` for an unknown agent or role; `FORBIDDEN` when an agent that runs already asks
   * for it; `OVER_CAPACITY` when too many run; `UPSTREAM_UNAVAILABLE` when it cannot be started or fails; `TIMEOUT`; the
   * abort reason of `options.signal`
   */
  run(task: AgentTask, options: AgentRunOptions): Promise<AgentAnswer>;
}

/** Agents of a program that has none. */
export const NO_AGENTS: Agents = {
  list: () => Promise.resolve([]),
  hasAny: false,
  run: () => Promise.reject(new Error("there are no agents")),
};
