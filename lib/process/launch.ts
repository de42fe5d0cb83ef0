import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { access, constants } from "node:fs/promises";
import type { Executable, ExecutableFiles } from "./executable.ts";
import { PLATFORM } from "../config/inherited_variables.ts";

/** The files of the system. */
export const FILES: ExecutableFiles = {
  isExecutable: async (path) => {
    if (PLATFORM === "windows") return await isWindowsFile(path);
    const info = await Deno.stat(path).catch(() => undefined);
    if (!info?.isFile) return false;
    return await access(path, constants.X_OK).then(() => true, () => false);
  },
  readText: (path) => Deno.readTextFile(path),
};

/**
 * Whether there is a file at `path`. The programs of the Microsoft Store (`python.exe` in `WindowsApps`) are links of a
 * kind that only the start of a program can follow: to look behind one fails.
 */
async function isWindowsFile(path: string): Promise<boolean> {
  const info = await Deno.stat(path).catch((thrown) =>
    thrown instanceof Deno.errors.NotFound ? undefined : Deno.lstat(path).catch(() => undefined)
  );
  return info?.isFile ?? false;
}

/** What the system is given to start a process. */
export interface Launch extends Executable {
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** A process whose streams are open. */
export type StartedChild = ChildProcess & { pid: number };

/** Starts a server, on three pipes; settles when the system has started it or failed to. */
export async function startServer(launch: Launch): Promise<StartedChild> {
  if (PLATFORM !== "windows") return await startChild(launch);
  const { openStdioPipes } = await import("./windows/stdio_pipes.ts");
  const { descriptors, closeDescriptors, ...streams } = await openStdioPipes();
  try {
    return Object.assign(await startChild(launch, { stdio: descriptors }), streams);
  } catch (thrown) {
    for (const stream of Object.values(streams)) stream.destroy();
    throw thrown;
  } finally {
    closeDescriptors();
  }
}

/** Starts a process that leads a group of its own; settles when the system has started it or failed to. */
export function startChild(
  launch: Launch,
  options: { stdio?: StdioOptions } = {},
): Promise<StartedChild> {
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
    if (child.pid !== undefined) resolve(child as StartedChild);
  });
}
