import { deadline } from "@std/async/deadline";
import type { Rig } from "../load/rig.ts";
import type { Spawned } from "../lib/spawned.ts";

/** How a program of the command line ended. */
export interface Ended {
  args: readonly string[];
  /** In words: exit code or signal. */
  how: string;
  succeeded: boolean;
  stdout: string;
  stderr: string;
}

/** A program that does not end in this time does not end by itself. */
const COMMAND_MS = 30_000;
const KEPT_CHARS = 16 * 1024 * 1024;
const STACK = /^\s+at .+:\d+:\d+\)?$/m;
const UNFORESEEN = /\bUncaught\b|\bunexpected: |\bpanicked at\b/;

/** `exai-daemon` with arguments, on the state directory of a rig. */
export class CommandRun {
  readonly args: readonly string[];
  readonly ended: Promise<Ended>;
  readonly #spawned: Spawned;
  #stdout = "";
  #stderr = "";
  #result: Ended | undefined;

  constructor(rig: Rig, args: readonly string[]) {
    this.args = args;
    this.#spawned = rig.startBeside(args);
    const { child } = this.#spawned;
    child.stdout.setEncoding("utf8").on("data", (text) => this.#stdout = keep(this.#stdout + text));
    child.stderr.setEncoding("utf8").on("data", (text) => this.#stderr = keep(this.#stderr + text));
    this.ended = this.#watch();
  }

  get pid(): number {
    return this.#spawned.pid;
  }

  /** How it ended; undefined while it runs. */
  get result(): Ended | undefined {
    return this.#result;
  }

  /** Whether it has said anything on stdout. */
  get hasSpoken(): boolean {
    return this.#stdout !== "";
  }

  interrupt(): void {
    this.#spawned.child.kill("SIGINT");
  }

  /** Ends it if it has not ended; what has nothing left is forgotten. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spawned[Symbol.asyncDispose]();
  }

  /** How it ended; undefined when it has not after `timeoutMs`. */
  async within(timeoutMs: number = COMMAND_MS): Promise<Ended | undefined> {
    return await deadline(this.ended, timeoutMs).catch(() => undefined);
  }

  async #watch(): Promise<Ended> {
    const closed = new Promise<void>((resolve) => this.#spawned.child.on("close", () => resolve()));
    const how = await this.#spawned.exited;
    if (this.pid !== 0) await closed;
    const succeeded = how === "ended with exit code 0";
    return this.#result = { args: this.args, how, succeeded, stdout: this.#stdout, stderr: this.#stderr };
  }
}

/** What no program of the command line may do, however it was disturbed; undefined when it did none of it. */
export function misbehaviour({ how, succeeded, stdout, stderr }: Ended): string | undefined {
  const said = stderr.trim();
  if (STACK.test(stderr) || STACK.test(stdout)) return `printed a stack: ${said.slice(0, 200)}`;
  if (UNFORESEEN.test(stderr)) return `failed in a way nobody foresaw: ${said.slice(0, 200)}`;
  // With --json the error is on stdout.
  const isSilent = said === "" && stdout.trim() === "";
  if (!succeeded && isSilent && !how.includes("SIGINT")) return `${how} and said nothing`;
  return undefined;
}

function keep(text: string): string {
  return text.length > KEPT_CHARS ? text.slice(-KEPT_CHARS) : text;
}
