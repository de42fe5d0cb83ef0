import { resolvedWithin } from "../../base/abort.ts";
import { messageOf } from "../../base/errors.ts";
import { monotonicNow } from "../../base/time.ts";
import { MINUTE_MS } from "../../base/units.ts";
import type { Launch } from "../launch.ts";
import type { ProcessTrees } from "../process_trees.ts";
import { isGenuine } from "./genuine.ts";
import { describeProgram, isProgram } from "./program_file.ts";
import { type Found, programFor } from "./program_behind.ts";
import { readWrapper } from "./read_wrapper.ts";
import type { WrapperCall } from "./wrapper_call.ts";

/** A program to start in place of its wrapper. */
export interface ProgramBehind extends Found {
  /** The program for people, without arguments. */
  runs: string;
}

/** What stands behind a command. */
type Resolved =
  | { kind: "no wrapper" }
  /** A wrapper that is started as it is written, and why. */
  | { kind: "as written"; wrapper: string; why: string }
  | { kind: "program"; wrapper: string; program: ProgramBehind }
  /** The wrapper still installs; it goes on. */
  | { kind: "installing"; wrapper: string };

interface WrapperResolverOptions {
  trees: ProcessTrees;
  /** Where the script lies with which npx is asked. */
  dir: string;
}

/** A command that may be a wrapper. */
export interface Wrapped {
  command: string;
  args: readonly string[];
  /** The wrapper as it would be started. */
  launch: Launch;
  /** How long the caller waits. */
  timeoutMs: number;
}

/** What a wrapper has answered, without the arguments of the program. */
type Answer = { kind: "program"; program: ProgramBehind } | { kind: "none"; why: string };

interface Kept {
  answer: Promise<Answer>;
  /** Until when the answer is used for further starts; undefined: as long as the program is there. */
  untilMs?: number;
}

/** How long an answer for a package without a fixed version is used: as long as a registry lets its answers be kept. */
const MAX_AGE_MS = 5 * MINUTE_MS;

/** How long a wrapper may install, whoever still waits for it. */
const INSTALL_TIMEOUT_MS = 10 * MINUTE_MS;

/** Answers kept; beyond that the oldest are forgotten. */
const MAX_KEPT = 256;

/**
 * Finds the program behind `npx`, `uvx` and the like, so that it can be started itself: a wrapper stays in memory as
 * long as its server runs, as one to two further processes. The wrapper is asked for what it would run, so it decides
 * as ever about versions, registries and local packages, and it installs what is missing.
 */
export class WrapperResolver implements AsyncDisposable {
  readonly #options: WrapperResolverOptions;
  readonly #kept = new Map<string, Kept>();
  /** The last question about the same packages: two installations at once would disturb each other. */
  readonly #lastOf = new Map<string, Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: WrapperResolverOptions) {
    this.#options = options;
  }

  /** Resolves the command of `request`, sharing the answer with equal requests. Never rejects. */
  async resolve(request: Wrapped): Promise<Resolved> {
    const call = readWrapper(request.command, request.args);
    if (!call) return { kind: "no wrapper" };
    // Without the arguments of the program, which may hold secrets.
    const wrapper = [request.command, ...request.args.slice(0, request.args.length - call.args.length)].join(
      " ",
    );
    const key = keyOf(call, request.launch);
    const answer = await resolvedWithin(this.#answerTo(key, call, request), request.timeoutMs);
    if (!answer) return { kind: "installing", wrapper };
    if (answer.kind === "none") return { kind: "as written", wrapper, why: answer.why };
    const { program } = answer;
    return { kind: "program", wrapper, program: { ...program, args: [...program.args, ...call.args] } };
  }

  /** Forgets every answer: the next start asks again. */
  forgetAll(): void {
    this.#kept.clear();
  }

  /** A program found for `request` did not run well: its next start asks again. */
  forget({ command, args, launch }: Pick<Wrapped, "command" | "args" | "launch">): void {
    const call = readWrapper(command, args);
    if (call) this.#kept.delete(keyOf(call, launch));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#lastOf.values());
  }

  async #answerTo(key: string, call: WrapperCall, request: Wrapped): Promise<Answer> {
    const kept = this.#kept.get(key);
    if (kept && !isPast(kept)) {
      const answer = await kept.answer;
      // A cache may have been cleared meanwhile.
      if (answer.kind === "none" || await isProgram(answer.program.path)) return answer;
      if (this.#kept.get(key) === kept) this.#kept.delete(key);
      return await this.#answerTo(key, call, request);
    }
    return await this.#ask(key, call, request);
  }

  #ask(key: string, call: WrapperCall, { launch, args }: Wrapped): Promise<Answer> {
    const packages = [call.kind, ...call.packages].join("\n");
    const before = this.#lastOf.get(packages) ?? Promise.resolve();
    const answer = before.then(() => this.#question(call, { launch, args }));
    const kept: Kept = { answer };
    this.#keep(key, kept);
    this.#lastOf.set(packages, answer);
    void answer.then(({ kind }) => {
      if (this.#lastOf.get(packages) === answer) this.#lastOf.delete(packages);
      if (kind === "none" && this.#kept.get(key) === kept) this.#kept.delete(key);
      if (!call.isFixed) kept.untilMs = monotonicNow() + MAX_AGE_MS;
    });
    return answer;
  }

  async #question(call: WrapperCall, { launch, args }: Pick<Wrapped, "launch" | "args">): Promise<Answer> {
    const wrapper = launch.args.length > args.length ? launch.args[0]! : launch.file;
    if (!await isGenuine(wrapper, call.kind)) {
      return { kind: "none", why: `${wrapper} is not the known ${call.kind}` };
    }
    const prefix = launch.args.slice(0, launch.args.length - args.length);
    try {
      const found = await programFor(call, { ...launch, args: [...prefix, ...call.question] }, {
        ...this.#options,
        timeoutMs: INSTALL_TIMEOUT_MS,
        signal: this.#stop.signal,
      });
      if (!await isProgram(found.path)) return { kind: "none", why: `${found.path} is not a program` };
      return { kind: "program", program: { ...found, runs: await describeProgram(found.path) } };
    } catch (thrown) {
      return { kind: "none", why: messageOf(thrown) };
    }
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(old);
    }
  }
}

/** Two commands with the same key are answered alike; what follows the name of the program is not part of it. */
function keyOf({ kind, question, program }: WrapperCall, { file, env, cwd }: Launch): string {
  return JSON.stringify([kind, file, question, program, cwd, Object.entries(env).sort()]);
}

function isPast({ untilMs }: Kept): boolean {
  return untilMs !== undefined && monotonicNow() >= untilMs;
}
