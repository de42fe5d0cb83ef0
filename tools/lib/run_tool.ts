// deno-lint-ignore-file no-console -- a program of the command line speaks on it
import { messageOf } from "../../lib/base/errors.ts";
import { releaseAll } from "./held.ts";

export interface ToolOptions {
  name: string;
  /** The tool fails when it has not ended by then. */
  deadlineMs: number;
}

/** A mistake on the command line: its message is shown alone and the exit code is 2. */
export class UsageError extends Error {}

/** Runs a tool to its end, a signal, or its deadline, releases all it holds, and exits: with 0 when all went well. */
export async function runTool(main: () => Promise<void>, options: ToolOptions): Promise<never> {
  const { name, deadlineMs } = options;
  const cut = Promise.withResolvers<never>();
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  // Started with nohup it goes on when its terminal is closed.
  if (isHangupIgnored()) signals.splice(signals.indexOf("SIGHUP"), 1);
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => cut.reject(new Error(`stopped by ${signal}`)));
  }
  setTimeout(() => cut.reject(new Error(`not done after ${deadlineMs / 1000} s`)), deadlineMs);
  let code = 0;
  const fail = (thrown: unknown) => {
    code ||= thrown instanceof UsageError ? 2 : 1;
    console.error(`${name}: failed: ${messageOf(thrown)}`);
  };
  // Interrupted work may fail later; only the first fault is reported, and cleaning up goes on.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    cut.reject(event.reason);
  });
  try {
    await Promise.race([main(), cut.promise]);
  } catch (thrown) {
    fail(thrown);
  }
  for (const fault of await releaseAll()) fail(new Error(`left behind: ${fault}`));
  if (code === 0) console.log(`${name}: ok`);
  Deno.exit(code);
}

/** Says on stderr how far it is. A terminal that is gone is no reason to stop. */
export function progress(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
  } catch {
    // The terminal is gone.
  }
}

const SIGHUP_BIT = 1n;

/** Whether this process was started with SIGHUP ignored, which a listener would undo (Linux; elsewhere false). */
function isHangupIgnored(): boolean {
  if (Deno.build.os !== "linux") return false;
  const [, ignored] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
  return ignored !== undefined && (BigInt(`0x${ignored}`) & SIGHUP_BIT) !== 0n;
}
