import type { Readable } from "node:stream";
import { abortError, resolvedWithin } from "../base/abort.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { LineFramer } from "../transport/line_framer.ts";
import { type Launch, type StartedChild, startServer } from "./launch.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { processTable, treesIn } from "./process_table.ts";
import { StderrReader } from "./stderr_reader.ts";
import { systemTrees } from "./system_trees.ts";

interface CommandOptions {
  /** Written to its stdin, which is then closed. */
  input: string;
  /** Aborting it ends the process and all its descendants. */
  signal: AbortSignal;
  /** Takes each line of its stdout without the line end. */
  onLine(line: string): void;
  /** Called with its process id. */
  onStart?(pid: number): void;
}

/** How a command ended. */
export interface CommandEnd {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: string | null;
  /** Its last lines on stderr, redacted. */
  stderrTail: string;
}

/** Longest line of stdout taken; a longer one is left out. */
const MAX_LINE_BYTES = 8 * MIB;

/** How long a command may take to end after SIGTERM, before SIGKILL. */
const TERM_GRACE_MS = 2 * SECOND_MS;

/** How long output written before the end may take to arrive. */
const DRAIN_MS = SECOND_MS;

/** Runs commands to their end, each with its process tree, which does not outlive the command or the daemon. */
export class CommandHost implements AsyncDisposable {
  readonly #trees: ProcessTrees;
  readonly #termGraceMs: number;
  readonly #running = new Map<number, Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(options: { termGraceMs?: number; trees?: ProcessTrees } = {}) {
    this.#trees = options.trees ?? systemTrees();
    this.#termGraceMs = options.termGraceMs ?? TERM_GRACE_MS;
  }

  /** The process ids of the commands that run. */
  get running(): ReadonlySet<number> {
    return new Set(this.#running.keys());
  }

  /**
   * Starts `launch` and resolves when it and all its descendants have ended.
   *
   * @throws the system's error when it cannot be started; the abort reason of `options.signal`
   */
  async run(launch: Launch, options: CommandOptions): Promise<CommandEnd> {
    if (options.signal.aborted) throw abortError(options.signal);
    const child = await startServer(launch);
    this.#trees.adopt(child.pid);
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const ending = this.#follow(child, { ...options, signal });
    this.#running.set(child.pid, ending.catch(() => {}));
    options.onStart?.(child.pid);
    try {
      const end = await ending;
      if (signal.aborted) throw abortError(signal);
      return end;
    } finally {
      this.#running.delete(child.pid);
    }
  }

  /** The running command that process `pid` descends from; undefined when there is none. */
  async ancestorOf(pid: number): Promise<number | undefined> {
    if (this.#running.size === 0) return undefined;
    const treeFrom = treesIn(await processTable());
    return [...this.#running.keys()].find((root) => treeFrom([root]).some((row) => row.pid === pid));
  }

  /** Ends every command. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running.values());
    await this.#trees[Symbol.asyncDispose]();
  }

  async #follow(child: StartedChild, options: CommandOptions): Promise<CommandEnd> {
    const { signal, input, onLine } = options;
    const exited = new Promise<[number | null, string | null]>((resolve) =>
      child.once("exit", (...end) => resolve(end))
    );
    const stop = () => void this.#end(child.pid, exited);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const framer = new LineFramer({
      maxLineBytes: MAX_LINE_BYTES,
      onLine: (line) => onLine(new TextDecoder().decode(line).trimEnd()),
    });
    const stderr = new StderrReader(child.stderr!, () => {});
    const read = readAll(child.stdout!, framer);
    child.stdin!.on("error", () => {});
    child.stdin!.end(input);
    try {
      const [code, endSignal] = await exited;
      const swept = this.#trees.sweep(child.pid, this.#termGraceMs);
      await resolvedWithin(read, DRAIN_MS);
      await swept;
      framer.end();
      return { code, signal: endSignal, stderrTail: stderr.tail };
    } finally {
      signal.removeEventListener("abort", stop);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    }
  }

  async #end(pid: number, exited: Promise<unknown>): Promise<void> {
    await this.#trees.terminate(pid);
    if (await resolvedWithin(exited.then(() => true), this.#termGraceMs)) return;
    await this.#trees.kill(pid);
  }
}

/** Feeds `stream` to `framer`; resolves at its end. */
async function readAll(stream: Readable, framer: LineFramer): Promise<void> {
  try {
    for await (const chunk of stream) await framer.take(chunk as Uint8Array);
  } catch {
    // A pipe that breaks has ended.
  }
}
