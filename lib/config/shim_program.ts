import { extname } from "@std/path/extname";
import { join } from "@std/path/join";
import { isCompiled, programDir } from "./paths.ts";
import { ownProgram } from "./servers/own_programs.ts";
import { realPathOf } from "./real_path.ts";

/** A command line. */
export interface ProgramCommand {
  command: string;
  args: readonly string[];
}

/**
 * The flags of V8 for a bundled or compiled shim. By measurement: 1 MB less for each window at rest, 2 MB after some use,
 * at no cost in calls per second.
 */
export const SHIM_V8_FLAGS = "--v8-flags=--optimize-for-size,--single-threaded";

const IS_WINDOWS = Deno.build.os === "windows";

/**
 * How an editor starts the shim beside this program. Where a directory of `PATH` leads to it, the path there is taken: it
 * stays when a package manager puts the next version elsewhere.
 */
export function shimCommand(): ProgramCommand {
  if (!isCompiled()) {
    // shim.ts beside daemon.ts; above the directory of a bundled daemon.js with its parts.
    const name = `shim${extname(Deno.mainModule)}`;
    const [beside, above] = [join(programDir(), name), join(programDir(), "..", name)];
    const program = realPathOf(beside) === undefined && realPathOf(above) !== undefined ? above : beside;
    const flags = name.endsWith(".js") ? ["--no-config", SHIM_V8_FLAGS] : [];
    return { command: Deno.execPath(), args: ["run", "-A", ...flags, program] };
  }
  const name = IS_WINDOWS ? "exai-shim.exe" : "exai-shim";
  const own = join(programDir(), name);
  const real = realPathOf(own);
  const onPath = searchPath().split(IS_WINDOWS ? ";" : ":").filter((dir) => dir !== "")
    .map((dir) => join(dir, name)).find((path) => real !== undefined && realPathOf(path) === real);
  return { command: onPath ?? own, args: [] };
}

export { isReplay } from "./servers/own_programs.ts";

/** Which of EXAI's own programs a command line starts, as `mcp.json` is checked for it. */
export function ownProgramOf({ command, args }: ProgramCommand): string | undefined {
  return ownProgram([command, ...args], { searchPath: searchPath(), dir: programDir() });
}

function searchPath(): string {
  return Deno.env.get("PATH") ?? Deno.env.get("Path") ?? "";
}
