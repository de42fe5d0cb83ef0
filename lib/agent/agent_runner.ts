import { abortError } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { clip, quoteName } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import { visibleLines } from "../base/visible.ts";
import type { ClinkInForce } from "../config/clink_watch.ts";
import { PLATFORM } from "../config/inherited_variables.ts";
import { type CommandEnd, CommandHost } from "../process/command_host.ts";
import { type Environment, valueOf } from "../process/environment.ts";
import { ProgramSearch } from "../process/program_search.ts";
import { type AgentCommand, agentCommands } from "./agent_command.ts";
import { agentPrompt } from "./agent_prompt.ts";
import type { AgentAnswer, AgentInfo, AgentRunOptions, Agents, AgentTask } from "./agents.ts";
import { type AgentOutput, readOutput } from "./output/read_output.ts";
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
const MAX_REASON_CHARS = 2000;
/** When to try again while too many agents run. */
const RETRY_AFTER_MS = 30 * SECOND_MS;

/** Colours of terminals. */
// deno-lint-ignore no-control-regex
const COLOURS = /\x1b\[[\d;]*[A-Za-z]/g;

/** Runs agents as child processes, which end with the daemon. */
export class AgentRunner implements Agents, AsyncDisposable {
  readonly #options: AgentRunnerOptions;
  readonly #search: ProgramSearch;
  readonly #host: CommandHost;
  /** How deep each running agent is, by process id: 1 for one that no agent has asked for. */
  readonly #depths = new Map<number, number>();
  #started = 0;
  #hasAny = false;

  constructor(options: AgentRunnerOptions) {
    this.#options = options;
    this.#search = new ProgramSearch(options);
    this.#host = options.host ?? new CommandHost();
  }

  get hasAny(): boolean {
    return this.#hasAny;
  }

  async list(): Promise<AgentInfo[]> {
    const found = await Promise.all(this.#commands.map(async (command): Promise<AgentInfo> => {
      const { name } = command;
      const launch = await this.#search.find({ command: command.command, args: [], env: {} }, "/");
      return launch ? { name } : { name, why: notFound(command) };
    }));
    this.#hasAny = found.some(({ why }) => why === undefined);
    return [...found.filter(({ why }) => why === undefined), ...found.filter(({ why }) => why !== undefined)];
  }

  async run(task: AgentTask, options: AgentRunOptions): Promise<AgentAnswer> {
    const command = this.#find(task.agent);
    const role = task.role ?? "default";
    const instructions = await instructionsOf(role, this.#options.clink().roles);
    const depth = await this.#depthBelow(task);
    using _place = this.#takePlace();
    checkWord("model", task.model);
    const session = command.canResume ? task.session : undefined;
    checkWord("session", session);
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

  get #commands(): AgentCommand[] {
    return agentCommands(this.#options.clink().agents);
  }

  #find(name: string): AgentCommand {
    const commands = this.#commands;
    const found = commands.find((command) => command.name === name);
    if (found) return found;
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
    { signal, onProgress }: AgentRunOptions,
  ): Promise<Attempt> {
    const { task, session, prompt } = run;
    const output = readOutput(command.format);
    const args = command.argsFor({ model: task.model, session, prompt });
    const wanted = { command: command.command, args, env: await this.#environmentOf(command) };
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
        onLine: (line) => send(output.take(line.replaceAll(COLOURS, ""))),
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

/** What one start of an agent came to. */
interface Attempt {
  output: AgentOutput;
  end: CommandEnd;
}

function hasFailed({ output, end }: Attempt): boolean {
  return end.code !== 0 || output.error !== undefined || output.text.trim() === "";
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
    send(clip(message.replaceAll(/\s+/g, " ").trim(), MAX_PROGRESS_CHARS));
  };
}

function notFound({ name, command, install }: AgentCommand): string {
  const advice = install === undefined
    ? `correct command of ${name} in clink.json`
    : `install it (${install}), or write its full path as command of ${name} into clink.json`;
  return `${command} is not found in the PATH; ${advice}`;
}

function unavailable({ name }: AgentCommand, why: string): ExaiError {
  return new ExaiError("UPSTREAM_UNAVAILABLE", `${name} cannot be asked: ${why}`);
}

function failed(command: AgentCommand, { output, end }: Attempt): ExaiError {
  const { name } = command;
  const stderr = visibleLines(end.stderrTail.replaceAll(COLOURS, ""));
  const how = end.signal !== null
    ? `was ended by ${end.signal}`
    : end.code === 0
    ? "ended without an answer"
    : `ended with code ${end.code}`;
  const reason = [output.error, output.error === undefined ? stderr || output.noise : undefined]
    .filter((part) => part).join("; ");
  const said = output.text.trim() === "" || output.text === output.error
    ? ""
    : `\n\nIt had said: ${clip(output.text, MAX_REASON_CHARS)}`;
  const why = reason === "" ? "it gives no reason" : clip(reason, MAX_REASON_CHARS);
  return new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    `${name} ${how}: ${why}. ${adviceOn(command, end)}${said}`,
  );
}

function adviceOn({ command, adviceByCode }: AgentCommand, { code }: CommandEnd): string {
  const known = code === null ? undefined : adviceByCode[code];
  return `To mend it, ${known ?? `see what ${command} says in a terminal in this directory`}`;
}

/** Refuses what a program could take for one of its flags: it would then do more than the user lets it. */
function checkWord(what: string, word: string | undefined): void {
  if (word === undefined || /^[A-Za-z0-9][\w./:@+[\]-]*$/.test(word)) return;
  throw new ExaiError("INVALID_PARAMS", `${what} ${quoteName(word)} is no name of a ${what}`);
}

function timedOut({ name, timeoutMs }: AgentCommand, { text }: AgentOutput): ExaiError {
  const said = text.trim() === "" ? "" : `\n\nIt had said: ${clip(text, MAX_REASON_CHARS)}`;
  return new ExaiError(
    "TIMEOUT",
    `${name} did not end within ${
      timeoutMs / SECOND_MS
    } s and was stopped; give it a smaller task, or more time by ` +
      `timeoutSeconds in clink.json${said}`,
  );
}
