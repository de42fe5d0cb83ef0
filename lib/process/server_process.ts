import type { ChildProcess } from "node:child_process";
import { ExaiError } from "../base/errors.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { visibleLines } from "../base/visible.ts";
import type { Transport } from "../transport/transport.ts";
import type { RpcMessage } from "../wire/rpc.ts";
import { StdoutReader } from "./stdout_reader.ts";
import { StdinWriter } from "./stdin_writer.ts";
import { StderrReader } from "./stderr_reader.ts";
import type { ProcessTrees } from "./process_trees.ts";

/** What one process may take, and how long it may take to end. */
export interface ProcessLimits {
  /** Longest message taken from it. */
  maxLineBytes: number;
  /** What may wait for it to read; beyond that a message is refused with `OVER_CAPACITY`. */
  maxQueuedBytes: number;
  /** How long it may take to end once its stdin is closed, before SIGTERM. */
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
  /** Its last lines on stderr, without secrets. */
  stderrTail: string;
  /** Whether it ended because it was closed from here. */
  wanted: boolean;
}

interface ServerProcessOptions extends ProcessLimits {
  server: string;
  trees: ProcessTrees;
  /** Takes whole lines for the server's log. */
  log(text: string): void;
}

/** How long what a process wrote before it ended may still be on its way. */
const DRAIN_MS = 100;
/** How long in all, as long as there is always more. */
const MAX_DRAIN_MS = 5 * SECOND_MS;

/**
 * A running child process that speaks MCP on its stdin and stdout (MCP 2025-11-25, transports, stdio), with everything
 * it has started. Disposing of it ends the whole tree.
 */
export class ServerProcess implements Transport, AsyncDisposable {
  onmessage?: (message: RpcMessage) => void;
  onerror?: (error: Error) => void;
  onclose?: () => void;
  readonly pid: number;
  readonly startedAt = new Date();
  /** Resolves once the process and all that it has started are gone. */
  readonly closed: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #options: ServerProcessOptions;
  readonly #inbox: StdoutReader;
  readonly #outbox: StdinWriter;
  readonly #stderr: StderrReader;
  readonly #exited = Promise.withResolvers<void>();
  #ending: Promise<void> | undefined;
  #end: ProcessEnd | undefined;
  #wanted = false;
  /** Present while it is not read on, until what it has sent is taken. */
  #taking: Promise<void> | undefined;

  /** Takes charge of `child`, which was just started with three pipes. */
  constructor(child: ChildProcess & { pid: number }, options: ServerProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.pid = child.pid;
    options.trees.adopt(child.pid);
    this.#inbox = new StdoutReader({
      ...options,
      onmessage: (message) => this.onmessage?.(message),
      onrefused: (answer) => void this.send(answer).catch(() => {}),
      onerror: (error) => this.onerror?.(error),
      onnoise: (line) => this.#log(`(stdout, no message) ${line}\n`),
    });
    this.#outbox = new StdinWriter(child.stdin!, {
      server: options.server,
      maxBytes: options.maxQueuedBytes,
    });
    this.#stderr = new StderrReader(child.stderr!, (text) => this.#log(text));
    child.stdin!.on("error", () => this.#shutDown());
    child.stdout!.on("error", () => this.#shutDown());
    // Without stdout it is of no more use.
    child.stdout!.on("end", () => this.#shutDown());
    this.closed = this.#watch();
    this.#log("(started)\n");
  }

  /** Messages and bytes moved so far, and lines on stdout that were no message. */
  get traffic() {
    const { bytes: bytesIn, messageCount: messagesIn, noiseCount, noise } = this.#inbox;
    return { bytesIn, messagesIn, noiseCount, noise, bytesOut: this.#outbox.bytes };
  }

  /** What kept its messages from being understood, where that is known. */
  get protocolIssue(): string | undefined {
    return this.#inbox.protocolIssue;
  }

  /** Bytes sent that the process has not read yet. */
  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  /** How it ended; known when `onclose` is called. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  start(): Promise<void> {
    this.#child.stdout!.on("data", (chunk: Uint8Array) => this.#take(chunk));
    return Promise.resolve();
  }

  /**
   * Queues one message. Resolves at once while the process keeps up with reading, and when it has caught up otherwise.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it has ended, `OVER_CAPACITY` when it leaves too much unread
   */
  async send(message: RpcMessage): Promise<void> {
    if (this.#ending || this.#end) throw this.#unavailable();
    await this.#outbox.write(JSON.stringify(message) + "\n");
  }

  /** Ends the process and all that it has started: closes its stdin, then SIGTERM, then SIGKILL. */
  async close(): Promise<void> {
    this.#wanted ||= this.#end === undefined;
    await this.#shutDown();
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Why it ended, in words for the person at the client. */
  describeEnd(): string {
    if (!this.#end) return "it is being stopped";
    const { code, signal, stderrTail, wanted } = this.#end;
    if (wanted) return "it was stopped";
    const how = signal ? `it was ended by ${signal}` : `it exited with code ${code}`;
    return stderrTail === ""
      ? `${how} and said nothing on stderr`
      : `${how}; its last words on stderr: ${stderrTail}`;
  }

  #unavailable(): ExaiError {
    const { server } = this.#options;
    return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${server}": ${this.describeEnd()}`, {
      details: { server },
    });
  }

  #log(text: string): void {
    const prefix = `${new Date().toISOString()} [${this.pid}] `;
    // Line by line, so that none can be written that seems to come from another process; a log is read in a terminal.
    const lines = visibleLines(text.replaceAll("\r\n", "\n")).split("\n");
    this.#options.log(lines.map((line) => line === "" ? "" : prefix + line).join("\n"));
  }

  async #watch(): Promise<ProcessEnd> {
    const { promise: stdioClosed, resolve: onStdioClosed } = Promise.withResolvers<void>();
    this.#child.once("close", onStdioClosed);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      this.#child.once("exit", (...end) => resolve(end))
    );
    this.#exited.resolve();
    const swept = this.#options.trees.sweep(this.pid, this.#options.termGraceMs);
    await this.#drained(stdioClosed);
    this.#inbox.end();
    // Node tells a signal; where it tells a code in its place, the name is what people know.
    this.#end = { code, signal, stderrTail: this.#stderr.tail, wanted: this.#wanted };
    this.#log(`(${this.describeEnd().split(";")[0]})\n`);
    this.onclose?.();
    await swept;
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
    await settlesWithin(stdioClosed, DRAIN_MS);
    return this.#end;
  }

  #take(chunk: Uint8Array): void {
    const stdout = this.#child.stdout!;
    // Node reads on by itself when a process ends.
    const taking = this.#taking ? this.#taking.then(() => this.#inbox.take(chunk)) : this.#inbox.take(chunk);
    if (!taking) return;
    stdout.pause();
    this.#taking = taking;
    taking.then(() => {
      if (this.#taking !== taking) return;
      this.#taking = undefined;
      stdout.resume();
    });
  }

  /** What it wrote at its end may be more than is taken at once. */
  async #drained(stdioClosed: Promise<void>): Promise<void> {
    const untilMs = performance.now() + MAX_DRAIN_MS;
    do {
      await this.#taking;
      await settlesWithin(stdioClosed, DRAIN_MS);
    } while (this.#taking && performance.now() < untilMs);
  }

  #shutDown(): Promise<void> {
    return this.#ending ??= this.#endTree();
  }

  async #endTree(): Promise<void> {
    const { trees, closeGraceMs, termGraceMs } = this.#options;
    const exited = this.#exited.promise;
    this.#outbox.end();
    if (await settlesWithin(exited, closeGraceMs)) return;
    await trees.terminate(this.pid);
    if (await settlesWithin(exited, termGraceMs)) return;
    await trees.kill(this.pid);
    await exited;
  }
}

async function settlesWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), timeoutMs));
  const settled = await Promise.race([work.then(() => true, () => true), late]);
  clearTimeout(timer);
  return settled;
}
