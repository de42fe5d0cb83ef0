import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { access, constants } from "node:fs/promises";
import type { Executable, ExecutableFiles } from "./executable.ts";
import { PLATFORM } from "../config/inherited_variables.ts";

/** The files of the system. */
export const FILES: ExecutableFiles = {
  isExecutable: async (path) => {
    const info = await Deno.stat(path).catch(() => undefined);
    if (!info?.isFile) return false;
    return PLATFORM === "windows" || await access(path, constants.X_OK).then(() => true, () => false);
  },
  readText: (path) => Deno.readTextFile(path),
};

/** What the system is given to start a process. */
export interface Launch extends Executable {
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** Starts a process that leads a group of its own; settles when the system has started it or failed to. */
export function startChild(
  launch: Launch,
  options: { stdio?: StdioOptions } = {},
): Promise<ChildProcess & { pid: number }> {
  return new Promise((resolve, reject) => {
    const child = spawn(launch.file, [...launch.args], {
      cwd: launch.cwd,
      env: { ...launch.env },
      stdio: options.stdio ?? "pipe",
      // Its own process group, so that the tree can be ended. On Windows that would cost it its hidden console.
      detached: PLATFORM === "posix",
      windowsHide: true,
      windowsVerbatimArguments: launch.verbatim ?? false,
    });
    child.on("error", reject);
    if (child.pid !== undefined) resolve(child as ChildProcess & { pid: number });
  });
}
