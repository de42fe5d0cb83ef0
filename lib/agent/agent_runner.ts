import { abortError } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { clipRedacted, quoteName } from "../base/text.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { ClinkInForce } from "../config/clink_watch.ts";
import { PLATFORM } from "../config/inherited_variables.ts";
import { CommandHost } from "../process/command_host.ts";
import { type Environment, valueOf } from "../process/environment.ts";
import { ProgramSearch } from "../process/program_search.ts";
import { type AgentCommand, agentCommands } from "./agent_command.ts";
import {
  type Attempt,
  failed,
  faulty,
  hasFailed,
  notFound,
  timedOut,
  unavailable,
  withoutColours,
} from "./attempt.ts";
import { agentPrompt } from "./agent_prompt.ts";
import type { AgentAnswer, AgentInfo, AgentRunOptions, Agents, AgentTask } from "./agents.ts";
import { readOutput } from "./output/read_output.ts";
import { instructionsOf } from "./roles.ts";

interface AgentRunnerOptions {
  /** The daemon's own environment. */
  env: Environment;
  /** The environment of the user's login shell, where it is known already. */
  login?: Record<string, string>;
  /** The content of `clink.json` in force. */
  clink(): ClinkInForce;
  host?: CommandHost;
}

/** Between two progress messages, which may come with each line. */
const PROGRESS_INTERVAL_MS = 300;
const MAX_PROGRESS_CHARS = 200;
/** How long what the login shell said is enough where no agent is found. */
const ASK_SHELL_AFTER_MS = 10 * MINUTE_MS;
/** When to try again while too many agents run. */
const RETRY_AFTER_MS = 30 * SECOND_MS;

/** Runs agents as child processes, which end with the daemon. */
export class AgentRunner implements Agents, AsyncDisposable {
  readonly #options: AgentRunnerOptions;
  readonly #search: ProgramSearch;
  readonly #host: CommandHost;
  /** How deep each running agent is, by process id: 1 for one that no agent has asked for. */
  readonly #depths = new Map<number, number>();
  #started = 0;
  #hasAny = false;
  #shellAskedMs = monotonicNow();

  constructor(options: AgentRunnerOptions) {
    this.#options = options;
    this.#search = new ProgramSearch(options);
    this.#host = options.host ?? new CommandHost();
  }

  get hasAny(): boolean {
    return this.#hasAny;
  }

  async list(): Promise<AgentInfo[]> {
    let found = await this.#look();
    // The profile may say more than when the login shell was asked, but looking must not start one each time.
    if (!found.some(isThere) && monotonicNow() - this.#shellAskedMs > ASK_SHELL_AFTER_MS) {
      this.#shellAskedMs = monotonicNow();
      this.#search.forgetLoginEnv();
      found = await this.#look();
    }
    this.#hasAny = found.some(isThere);
    return [...found.filter(isThere), ...found.filter((one) => !isThere(one))];
  }

  async run(task: AgentTask, options: AgentRunOptions): Promise<AgentAnswer> {
    const command = this.#find(task.agent);
    const role = task.role ?? "default";
    const instructions = await instructionsOf(role, this.#options.clink().roles);
    const depth = await this.#depthBelow(task);
    using _place = this.#takePlace();
    if (task.model !== undefined && !isWord(task.model)) {
      throw new ExaiError("INVALID_PARAMS", `model ${quoteName(task.model)} is no name of a model`);
    }
    const session = command.canResume && isWord(task.session ?? "") ? task.session : undefined;
    const attempt = (session?: string) => {
      const prompt = agentPrompt(task, { role: instructions, isResumed: session !== undefined });
      return this.#attempt(command, { task, session, prompt, depth }, options);
    };
    const first = await attempt(session);
    // A session that is gone is noticed before a model is asked.
    const isGone = session !== undefined && hasFailed(first) && !first.output.hasBegun;
    const last = isGone ? await attempt() : first;
    if (hasFailed(last)) throw failed(command, last);
    const { text, model, usage, costUsd, denied } = last.output;
    return {
      text,
      role,
      session: last.output.session,
      resumed: session !== undefined && !isGone,
      model: model ?? task.model,
      usage,
      costUsd,
      denied,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }

  async #look(): Promise<AgentInfo[]> {
    const found = await Promise.all(this.#commands.map(async (command): Promise<AgentInfo> => {
      const { name } = command;
      const launch = await this.#search.findNow({ command: command.command, args: [], env: {} }, "/");
      return launch ? { name } : { name, why: notFound(command) };
    }));
    return [...found, ...this.#options.clink().unusable.map((name) => ({ name, why: faulty(name) }))];
  }

  get #commands(): AgentCommand[] {
    return agentCommands(this.#options.clink());
  }

  #find(name: string): AgentCommand {
    const commands = this.#commands;
    const found = commands.find((command) => command.name === name);
    if (found) return found;
    const { agents, unusable } = this.#options.clink();
    if (unusable.includes(name)) throw new ExaiError("CONFIG", faulty(name));
    if (agents.some((agent) => agent.name === name)) {
      throw new ExaiError("CONFIG", `${name} is disabled in clink.json; the user can change that`);
    }
    const names = commands.map((command) => command.name);
    throw new ExaiError(
      "INVALID_PARAMS",
      `there is no agent ${quoteName(name)}${didYouMean(name, names)}; there are: ${
        names.join(", ")
      }. Others are ` +
        "written into clink.json beside mcp.json",
    );
  }

  /** How deep an agent would be that this caller asks for. */
  async #depthBelow({ agent, parentPid }: AgentTask): Promise<number> {
    const { maxDepth } = this.#options.clink().limits;
    const caller = parentPid === undefined ? undefined : await this.#host.ancestorOf(parentPid);
    const depth = (caller === undefined ? 0 : this.#depths.get(caller) ?? 1) + 1;
    if (depth <= maxDepth) return depth;
    throw new ExaiError(
      "FORBIDDEN",
      `${agent} is not started: an agent that clink runs asks for it, and maxDepth of clink.json is ${maxDepth}. Do ` +
        "the task yourself",
    );
  }

  #takePlace(): Disposable {
    const { maxRunning } = this.#options.clink().limits;
    if (this.#started >= maxRunning) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `${this.#started} agents run, as many as maxRunning of clink.json lets; call again when one has ended`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    this.#started++;
    return { [Symbol.dispose]: () => void this.#started-- };
  }

  async #attempt(
    command: AgentCommand,
    run: { task: AgentTask; session: string | undefined; prompt: string; depth: number },
    { signal, onProgress, env: given }: AgentRunOptions,
  ): Promise<Attempt> {
    const { task, session, prompt } = run;
    const output = readOutput(command.format);
    const args = command.argsFor({ model: task.model, session, prompt });
    const env = { ...given, ...await this.#environmentOf(command) };
    const wanted = { command: command.command, args, env };
    const send = throttled((message) => onProgress(`${command.name}: ${message}`));
    using limit = new TimeLimit(command.timeoutMs, signal);
    let pid: number | undefined;
    try {
      const launch = await this.#search.find(wanted, task.cwd);
      if (!launch) throw unavailable(command, notFound(command));
      const end = await this.#host.run(launch, {
        input: command.takesPromptArgument ? "" : prompt,
        signal: limit.signal,
        onStart: (started) => void this.#depths.set(pid = started, run.depth),
        onLine: (line) => send(output.take(withoutColours(line))),
      });
      output.finish();
      return { output, end };
    } catch (thrown) {
      if (signal.aborted) throw abortError(signal);
      output.finish();
      if (limit.isOver) throw timedOut(command, output);
      if (thrown instanceof ExaiError) throw thrown;
      throw unavailable(command, `it cannot be run: ${messageOf(thrown)}`);
    } finally {
      if (pid !== undefined) this.#depths.delete(pid);
    }
  }

  /** What it signs in with, of the user's environment, and what the user gives it. */
  async #environmentOf({ passes, env }: AgentCommand): Promise<Record<string, string | null>> {
    const login = await this.#search.loginEnv();
    const passed = passes.flatMap((name) => {
      const value = valueOf(login, name, PLATFORM) ?? valueOf(this.#options.env, name, PLATFORM);
      return value === undefined ? [] : [[name, value]];
    });
    return { ...Object.fromEntries(passed), ...env };
  }
}

/** Aborts after a time, or with another signal. */
class TimeLimit implements Disposable {
  readonly signal: AbortSignal;
  readonly #own = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(timeoutMs: number, signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#own.signal]);
    this.#timer = setTimeout(() => this.#own.abort(), timeoutMs);
  }

  get isOver(): boolean {
    return this.#own.signal.aborted;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function throttled(send: (message: string) => void): (message: string | undefined) => void {
  let lastMs = -Infinity;
  return (message) => {
    const nowMs = performance.now();
    if (message === undefined || nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
    lastMs = nowMs;
    send(clipRedacted(message.replaceAll(/\s+/g, " ").trim(), MAX_PROGRESS_CHARS));
  };
}

/** Whether no program could take `word` for one of its flags: it would then do more than the user lets it. */
function isWord(word: string): boolean {
  return /^[A-Za-z0-9][\w./:@+[\]-]*$/.test(word);
}

function isThere({ why }: AgentInfo): boolean {
  return why === undefined;
}
