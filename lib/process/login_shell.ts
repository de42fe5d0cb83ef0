import { spawn } from "node:child_process";
import { userInfo } from "node:os";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { type Environment, parseEnvironment } from "./environment.ts";
import { signalGroup } from "./process_trees.ts";

const log = getLogger(["exai", "upstream"]);

const TIMEOUT_MS = 10 * SECOND_MS;
const MAX_OUTPUT_BYTES = 4 * MIB;
/** Variables of this shell only, not of a terminal. */
const SHELL_ONLY = ["TERM", "SHLVL", "PWD", "OLDPWD", "_", "EXAI_RESOLVING_ENVIRONMENT"];
const MARK = "_exai_environment_begins_or_ends_";

/** Shells without `-l` beside `-i` and without `2>`. */
const C_SHELLS = /(^|\/)t?csh$/;

/**
 * The environment of the user's terminals: a daemon started from the desktop lacks what the profile sets up (nvm,
 * Homebrew, asdf, ~/.local/bin). On Windows the registry has it. Written here since shell-env has no time-out, waits for background programs of the
 * profile that hold stdout open, and splits values at line ends; it also brings execa.
 *
 * @returns undefined when there is no such shell or it does not answer, which is logged
 */
export async function loginEnvironment(
  env: Environment,
  options: { timeoutMs?: number } = {},
): Promise<Record<string, string> | undefined> {
  if (Deno.build.os === "windows") {
    return (await import("./windows/registry_environment.ts")).registryEnvironment(env);
  }
  const shell = env.SHELL || shellOfUser();
  if (!shell) return undefined;
  try {
    return parse(await run(shell, env, options.timeoutMs ?? TIMEOUT_MS));
  } catch (thrown) {
    const facts = { shell, reason: messageOf(thrown) };
    log.warning("{shell} did not print its environment ({reason}); servers get the daemon's own PATH", facts);
    return undefined;
  }
}

function shellOfUser(): string | undefined {
  try {
    return userInfo().shell ?? undefined;
  } catch {
    return undefined;
  }
}

function run(shell: string, env: Environment, timeoutMs: number): Promise<string> {
  const isCShell = C_SHELLS.test(shell);
  // `env -0` is missing on older systems; the marks separate the output from what the profile prints.
  const list = isCShell ? "/usr/bin/env" : "/usr/bin/env -0 2>/dev/null || /usr/bin/env";
  const script = `printf %s ${MARK}; ${list}; printf %s ${MARK}`;
  const child = spawn(shell, [isCShell ? "-ic" : "-ilc", script], {
    cwd: env.HOME || "/",
    // Tells programs started by the profile that the terminal is not interactive.
    env: { ...env, TERM: "dumb", EXAI_RESOLVING_ENVIRONMENT: "1" } as Record<string, string>,
    stdio: ["ignore", "pipe", "ignore"],
    // Its own session: an interactive shell would take over the daemon's terminal.
    detached: true,
  });
  return new Promise((resolve, reject) => {
    let output = "";
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
      child.stdout.destroy();
      settle();
    };
    const fail = (reason: string) => finish(() => reject(new Error(reason)));
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs / SECOND_MS} s`), timeoutMs);
    child.on("error", (error) => fail(error.message));
    child.on("exit", (code) => {
      if (!isWhole(output)) setTimeout(() => fail(`it ended with code ${code}`), 0);
    });
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      output += text;
      // A background program of the profile may hold stdout open, so the end is not awaited.
      if (isWhole(output)) finish(() => resolve(output));
      else if (output.length > MAX_OUTPUT_BYTES) fail("it prints without end");
    });
  });
}

function isWhole(output: string): boolean {
  return output.split(MARK).length === 3;
}

function parse(output: string): Record<string, string> {
  const env = parseEnvironment(output.split(MARK)[1]!);
  for (const name of SHELL_ONLY) delete env[name];
  return env;
}
