import { endTree, gone } from "../../tools/lib/end_tree.ts";

/** How long one that was told to end may take. */
const END_MS = 5000;

/** Directories made since the last {@linkcode forgetPlaces}. */
const places = new Set<string>();

/** Remembers which directories a test makes: the state directory of any daemon of its own is in one. */
export function rememberPlaces(): void {
  const { makeTempDir } = Deno;
  Deno.makeTempDir = async (options) => {
    const path = await makeTempDir(options);
    places.add(path);
    return path;
  };
}

export function forgetPlaces(): void {
  places.clear();
}

/**
 * Ends the daemons that shims and commands have started in those directories: nobody's child, they outlive all that a
 * test waits for.
 *
 * @returns their state directories; none on systems that do not show the environment of a process
 */
export async function endLeftDaemons(): Promise<string[]> {
  if (places.size === 0 || Deno.build.os !== "linux") return [];
  const left: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const home = /^\d+$/.test(name) ? await homeOfStarted(name) : undefined;
    if (home === undefined || ![...places].some((place) => `${home}/`.startsWith(`${place}/`))) continue;
    if ((await gone([Number(name)], END_MS)).length === 0) continue;
    await endTree(Number(name), { graceMs: 0 });
    left.push(home);
  }
  return left;
}

/** The state directory of the daemon that the process is, if another process has started it in the background. */
async function homeOfStarted(pid: string): Promise<string | undefined> {
  const text = await Deno.readTextFile(`/proc/${pid}/environ`).catch(() => "");
  const variables = text.split("\0");
  if (!variables.includes("EXAI_STARTED_BY_SHIM=1")) return undefined;
  return variables.find((variable) => variable.startsWith("EXAI_HOME="))?.slice("EXAI_HOME=".length);
}
