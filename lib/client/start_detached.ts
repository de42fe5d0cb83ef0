import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { DetachedProgram, ProgramStart } from "./detached/start_process.ts";

export type { DetachedProgram, ProgramStart };

const log = getLogger(["exai", "shim"]);

/**
 * Starts a program that outlives this process and inherits nothing of it: neither its streams, nor its console, nor, where
 * that can be avoided, the job object by which a client on Windows ends it.
 */
export async function startDetached(start: ProgramStart): Promise<DetachedProgram> {
  if (Deno.build.os === "windows") {
    try {
      const { startOnWindows } = await import("./detached/start_on_windows.ts");
      return await startOnWindows(start);
    } catch (thrown) {
      // A shim that may not call functions of the system; what is wrong with the program itself is met again below.
      log.warning("{reason}; the daemon is started as any other program", { reason: messageOf(thrown) });
    }
  }
  return startWithDeno(start);
}

function startWithDeno({ command, ...options }: ProgramStart): DetachedProgram {
  const child = new Deno.Command(command, {
    ...options,
    args: [...options.args],
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    // In its own session, so that signals to the client's process group do not reach the daemon.
    detached: true,
  }).spawn();
  child.unref();
  let exitCode: number | undefined;
  child.status.then(({ code }) => exitCode = code);
  return {
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => {},
  };
}
