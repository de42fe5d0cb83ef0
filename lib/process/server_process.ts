import type { Readable } from "node:stream";
import { resolvedWithin } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { visibleLines } from "../base/visible.ts";
import type { Transport } from "../transport/transport.ts";
import type { RpcMessage } from "../wire/rpc.ts";
import { largeParts, sentText } from "../wire/text_request.ts";
import { PLATFORM } from "../config/inherited_variables.ts";
import type { StartedChild } from "./launch.ts";
import { StdoutReader } from "./stdout_reader.ts";
import { StdinWriter } from "./stdin_writer.ts";
import { StderrReader } from "./stderr_reader.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { describeWindowsExit } from "./windows/exit_code.ts";

/** The limits of one process. */
export interface ProcessLimits {
  /** Longest message read from it. */
  maxLineBytes: number;
  /** Bytes that may wait for it to read; beyond that a message is rejected with `OVER_CAPACITY`. */
  maxQueuedBytes: number;
  /** How long it may take to end after its stdin is closed, before SIGTERM. */
  closeGraceMs: number;
  /** How long it may take to end after SIGTERM, before SIGKILL. */
  termGraceMs: number;
}

export const PROCESS_LIMITS: ProcessLimits = {
  maxLineBytes: 64 * MIB,
  maxQueuedBytes: 64 * MIB,
  closeGraceMs: 2 * SECOND_MS,
  termGraceMs: 2 * SECOND_MS,
};

/** How a process ended. */
interface ProcessEnd {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: string | null;
  /** Its last lines on stderr, redacted. */
  stderrTail: string;
  /** Whether {@linkcode ServerProcess.close} ended it. */
  wasClosed: boolean;
}

interface ServerProcessOptions extends ProcessLimits {
  server: string;
  /** The program that runs in place of its wrapper, for people. */
  runs?: string;
  trees: ProcessTrees;
  /** Takes whole lines for the server's log. */
  log(text: string): void;
}

/** How long output written before the end may take to arrive. */
const DRAIN_MS = 100;
/** The same in total, while more keeps arriving. */
const MAX_DRAIN_MS = 5 * SECOND_MS;

/**
 * A running MCP server on the stdin and stdout of a child process (MCP 2025-11-25, transports, stdio). Disposing of
 * it ends the process and all its descendants.
 */
export class ServerProcess implements Transport, AsyncDisposable {
  onmessage?: (message: RpcMessage) => void;
  onerror?: (error: Error) => void;
  onclose?: () => void;
  readonly pid: number;
  readonly startedAt = new Date();
  /** Resolves when the process and its descendants have ended. */
  readonly closed: Promise<ProcessEnd>;
  readonly #child: StartedChild;
  readonly #options: ServerProcessOptions;
  readonly #stdoutReader: StdoutReader;
  readonly #stdinWriter: StdinWriter;
  readonly #stderrReader: StderrReader;
  readonly #awake = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  #ending: Promise<void> | undefined;
  #end: ProcessEnd | undefined;
  #isClosed = false;
  /** Pending while reading is paused, until the last chunk is processed. */
  #reading: Promise<void> | undefined;

  /** Takes over `child`, which was just started with three pipes. */
  constructor(child: StartedChild, options: ServerProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.pid = child.pid;
    options.trees.adopt(child.pid);
    this.#stdoutReader = new StdoutReader({
      ...options,
      onMessage: (message) => this.onmessage?.(message),
      onRefused: (answer) => void this.send(answer).catch(() => {}),
      onError: (error) => this.onerror?.(error),
      onNoise: (line) => this.#log(`(stdout, no message) ${line}\n`),
    });
    this.#stdinWriter = new StdinWriter(child.stdin!, {
      server: options.server,
      maxBytes: options.maxQueuedBytes,
    });
    this.#stderrReader = new StderrReader(child.stderr!, (text) => this.#log(text));
    child.stderr!.once("data", () => this.#awake.resolve());
    child.stdin!.on("error", () => this.#shutDown());
    child.stdout!.on("error", () => this.#shutDown());
    // Without stdout the server cannot answer.
    child.stdout!.on("end", () => this.#shutDown());
    this.closed = this.#watch();
    this.#log("(started)\n");
  }

  /** The program that runs in place of the wrapper in `mcp.json`, for people; undefined when it runs as written. */
  get runs(): string | undefined {
    return this.#options.runs;
  }

  /** Messages and bytes so far, and lines of stdout that were not messages. */
  get traffic() {
    const { bytes: bytesIn, messageCount: messagesIn, noiseCount, noise } = this.#stdoutReader;
    return { bytesIn, messagesIn, noiseCount, noise, bytesOut: this.#stdinWriter.bytes };
  }

  /** See `UpstreamTransport`. */
  get awake(): Promise<void> {
    return this.#awake.promise;
  }

  /** What keeps its messages from being understood, if that is known. */
  get protocolIssue(): string | undefined {
    return this.#stdoutReader.protocolIssue;
  }

  /** Bytes sent that the process has not read. */
  get bufferedBytes(): number {
    return this.#stdinWriter.bufferedBytes;
  }

  /** See `UpstreamTransport`. */
  get isEnding(): boolean {
    return this.#ending !== undefined && !this.#end;
  }

  /** How it ended; set before `onclose` is called. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  start(): Promise<void> {
    this.#child.stdout!.on("data", (chunk: Uint8Array) => this.#take(chunk));
    return Promise.resolve();
  }

  /**
   * Queues one message. Resolves at once while the process keeps up with reading, and otherwise when it has caught
   * up.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it has ended, `OVER_CAPACITY` when it leaves too much unread
   */
  send(message: RpcMessage): Promise<void> {
    if (this.#ending || this.#end) return Promise.reject(this.#unavailable());
    try {
      const parts = largeParts(message);
      return parts
        ? this.#stdinWriter.writeLarge([...parts, "\n"])
        : this.#stdinWriter.write(sentText(message) + "\n");
    } catch (thrown) {
      // A message that cannot be written as text.
      return Promise.reject(thrown);
    }
  }

  /** Ends the process and its descendants: closes its stdin, then SIGTERM, then SIGKILL. */
  async close(): Promise<void> {
    this.#isClosed ||= this.#end === undefined;
    await this.#shutDown();
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Why it ended, in words for the user. */
  describeEnd(): string {
    if (!this.#end) return this.#isClosed ? "it is being stopped" : "it is ending";
    const { stderrTail, wasClosed } = this.#end;
    const how = describeExit(this.#end);
    return wasClosed || stderrTail === "" ? how : `${how}; its last words on stderr: ${stderrTail}`;
  }

  #unavailable(): ExaiError {
    const { server } = this.#options;
    return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${server}": ${this.describeEnd()}`, {
      details: { server },
    });
  }

  #log(text: string): void {
    const prefix = `${new Date().toISOString()} [${this.pid}] `;
    // Prefixed line by line, so that no line can pass for one of another process; escaped, since logs are read in
    // terminals.
    const lines = visibleLines(text.replaceAll("\r\n", "\n")).split("\n");
    this.#options.log(lines.map((line) => line === "" ? "" : prefix + line).join("\n"));
  }

  async #watch(): Promise<ProcessEnd> {
    const stdioClosed = Promise.all([this.#child.stdout!, this.#child.stderr!].map(closed));
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      this.#child.once("exit", (...end) => resolve(end))
    );
    this.#exited.resolve();
    const swept = this.#options.trees.sweep(this.pid, this.#options.termGraceMs);
    await this.#drained(stdioClosed);
    this.#stdoutReader.end();
    // Node reports either a signal or a code.
    this.#end = { code, signal, stderrTail: this.#stderrReader.tail, wasClosed: this.#isClosed };
    this.#log(`(${describeExit(this.#end)})\n`);
    this.onclose?.();
    await swept;
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
    await settlesWithin(stdioClosed, DRAIN_MS);
    return this.#end;
  }

  #take(chunk: Uint8Array): void {
    const stdout = this.#child.stdout!;
    this.#awake.resolve();
    // Node resumes the stream by itself when a process ends.
    const taking = this.#reading
      ? this.#reading.then(() => this.#stdoutReader.take(chunk))
      : this.#stdoutReader.take(chunk);
    if (!taking) return;
    stdout.pause();
    this.#reading = taking;
    taking.then(() => {
      if (this.#reading !== taking) return;
      this.#reading = undefined;
      stdout.resume();
    });
  }

  /** Waits for the last output, which may be more than one chunk. */
  async #drained(stdioClosed: Promise<unknown>): Promise<void> {
    const untilMs = performance.now() + MAX_DRAIN_MS;
    do {
      await this.#reading;
      await settlesWithin(stdioClosed, DRAIN_MS);
    } while (this.#reading && performance.now() < untilMs);
  }

  #shutDown(): Promise<void> {
    return this.#ending ??= this.#endTree();
  }

  async #endTree(): Promise<void> {
    const { trees, closeGraceMs, termGraceMs } = this.#options;
    const exited = this.#exited.promise;
    this.#stdinWriter.end();
    if (await settlesWithin(exited, closeGraceMs)) return;
    await trees.terminate(this.pid);
    if (await settlesWithin(exited, termGraceMs)) return;
    await trees.kill(this.pid);
    await exited;
  }
}

function describeExit({ code, signal, stderrTail, wasClosed }: ProcessEnd): string {
  if (wasClosed) return "it was stopped";
  const how = PLATFORM === "windows"
    ? describeWindowsExit({ code, signal })
    : signal
    ? `it was ended by ${signal}`
    : `it exited with code ${code}`;
  return stderrTail === "" ? `${how} and said nothing on stderr` : how;
}

/** Resolves when `stream` is closed. */
function closed(stream: Readable): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once("close", resolve));
}

async function settlesWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return await resolvedWithin(work.then(() => true, () => true), timeoutMs) ?? false;
}
