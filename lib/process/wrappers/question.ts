import { MIB, SECOND_MS } from "../../base/units.ts";
import { type Launch, startChild } from "../launch.ts";
import type { ProcessTrees } from "../process_trees.ts";
import { StderrReader } from "../stderr_reader.ts";

/** Encloses what a wrapper is made to print. */
export const MARK = "_exai_program_begins_or_ends_";

export interface AnswerOptions {
  /** Where the files lie that wrappers are asked with. */
  dir: string;
  trees: ProcessTrees;
  timeoutMs: number;
  /** Ends the process. */
  signal: AbortSignal;
}

/** What a program printed, and how it ended. */
interface Reply {
  stdout: string;
  /** Its last lines on stderr, redacted. */
  stderrTail: string;
  /** Why the output is not whole, undefined when the program ended well. */
  fault?: string;
}

const MAX_OUTPUT_CHARS = 4 * MIB;

/** How long output written before the end may take to arrive, where a descendant keeps the pipe open. */
const DRAIN_MS = SECOND_MS;

/** Runs a program to its end, without an input, and returns what it prints. */
async function replyOf(launch: Launch, { trees, timeoutMs, signal }: AnswerOptions): Promise<Reply> {
  const child = await startChild(launch, { stdio: ["ignore", "pipe", "pipe"] });
  const { pid } = child;
  trees.adopt(pid);
  const stderr = new StderrReader(child.stderr!, () => {});
  let stdout = "";
  const { promise: ended, resolve: end } = Promise.withResolvers<string | undefined>();
  child.stdout!.setEncoding("utf8");
  child.stdout!.on("error", () => {});
  child.stdout!.on("data", (text: string) => {
    stdout += text;
    if (stdout.length > MAX_OUTPUT_CHARS) end("it prints without end");
  });
  const toldEnd = (code: number | null, by: string | null) =>
    end(code === 0 ? undefined : by ? `it was ended by ${by}` : `it ended with code ${code}`);
  const late = setTimeout(() => end(`it did not end within ${timeoutMs / SECOND_MS} s`), timeoutMs);
  let drain: ReturnType<typeof setTimeout> | undefined;
  child.once("close", toldEnd);
  child.once("exit", (...how) => drain = setTimeout(() => toldEnd(...how), DRAIN_MS));
  const onAbort = () => end("the daemon stops");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const fault = await ended;
  clearTimeout(late);
  clearTimeout(drain);
  signal.removeEventListener("abort", onAbort);
  if (child.exitCode === null && child.signalCode === null) await trees.kill(pid);
  await trees.sweep(pid, 0);
  child.stdout!.destroy();
  child.stderr!.destroy();
  return { stdout, stderrTail: stderr.tail, fault };
}

/**
 * What a program prints.
 *
 * @throws {Error} how it failed, with its last words
 */
export async function outputOf(launch: Launch, options: AnswerOptions): Promise<string> {
  const reply = await replyOf(launch, options);
  if (reply.fault !== undefined) throw new Error(describeFault(reply));
  return reply.stdout;
}

/**
 * What a program prints between two marks, however it ends then.
 *
 * @throws {Error} how it failed, with its last words
 */
export async function markedOutput(launch: Launch, options: AnswerOptions): Promise<string> {
  const reply = await replyOf(launch, options);
  const parts = reply.stdout.split(MARK);
  if (parts.length !== 3) throw new Error(describeFault(reply));
  return parts[1]!;
}

function describeFault({ fault = "it does not say what it runs", stderrTail }: Reply): string {
  return stderrTail === "" ? fault : `${fault}: ${stderrTail}`;
}

/** Writes an executable file unless it is there, and returns its path. */
export async function writeOnce(path: string, text: string): Promise<string> {
  if (await Deno.readTextFile(path).catch(() => undefined) === text) return path;
  const draft = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(draft, text, { mode: 0o700 });
  await Deno.rename(draft, path);
  return path;
}
