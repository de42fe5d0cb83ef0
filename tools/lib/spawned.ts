import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { messageOf } from "../../lib/base/errors.ts";
import { endTree } from "./end_tree.ts";
import { hold } from "./held.ts";

/** What to start. */
export interface Command {
  command: string;
  args: readonly string[];
  /** Added to our own environment. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

const STDERR_KEPT_CHARS = 4096;

/** A child in a process group of its own; it and all below it are ended when it is disposed of or the tool ends. */
export class Spawned implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves with how it ended, in words. */
  readonly exited: Promise<string>;
  readonly #held: AsyncDisposable;
  #stderr = "";

  /** @param options `graceMs`: how long it may take to end when asked */
  constructor({ command, args, env, cwd }: Command, options: { graceMs?: number } = {}) {
    // Held before it is there: once the tool is ending, nothing may be started.
    this.#held = hold("process", () => this.#end(options));
    this.child = spawn(command, [...args], {
      cwd,
      env: { ...Deno.env.toObject(), ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: Deno.build.os !== "windows",
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    this.exited = promise;
    this.child.on("error", (error) => resolve(`could not be started: ${messageOf(error)}`));
    this.child.on("exit", (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`));
    this.child.stdin.on("error", () => {});
    this.child.stderr.on("data", (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-STDERR_KEPT_CHARS);
    });
  }

  /** Process id; 0 when it could not be started. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The last thing it said on stderr, for a message about its end. */
  get lastWords(): string {
    const line = this.#stderr.trim().split("\n").at(-1) ?? "";
    return line === "" ? "" : `; it said: ${line}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held[Symbol.asyncDispose]();
  }

  async #end(options: { graceMs?: number }): Promise<void> {
    this.child.stdin.end();
    const { pid } = this.child;
    if (pid !== undefined) await endTree(pid, { ...options, leadsGroup: true });
  }
}
