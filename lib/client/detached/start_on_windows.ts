import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../base/errors.ts";
import { startByWmi } from "./start_by_wmi.ts";
import { type DetachedProgram, type ProgramStart, WindowsPrograms } from "./start_process.ts";

const log = getLogger(["exai", "shim"]);

const DEFAULT_SYSTEM_ROOT = "C:\\Windows";

/**
 * Starts a program so that it outlives this process, whatever job object that is in.
 *
 * @throws when Windows does not start it
 */
export async function startOnWindows(start: ProgramStart): Promise<DetachedProgram> {
  const programs = new WindowsPrograms();
  try {
    const program = programs.start(start) ?? await startOutside(start, programs);
    return {
      get exitCode() {
        return program.exitCode;
      },
      [Symbol.dispose]() {
        program[Symbol.dispose]();
        programs[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    programs[Symbol.dispose]();
    throw thrown;
  }
}

async function startOutside(start: ProgramStart, programs: WindowsPrograms): Promise<DetachedProgram> {
  try {
    return programs.watch(await startByWmi(start, systemRootOf(start.env)));
  } catch (thrown) {
    log.warning(
      "the client holds this shim in a job object, and the daemon cannot be started outside of it ({reason}): it ends " +
        "with this client; start exai-daemon by itself, or install it as a service",
      { reason: messageOf(thrown) },
    );
    return programs.startInside(start);
  }
}

/** Names of variables are case-insensitive on Windows. */
function systemRootOf(env: ProgramStart["env"]): string {
  const name = Object.keys(env).find((known) => known.toUpperCase() === "SYSTEMROOT");
  return (name && env[name]) || DEFAULT_SYSTEM_ROOT;
}
