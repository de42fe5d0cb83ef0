import { extname } from "@std/path/extname";
import { join } from "@std/path/join";
import { isFile } from "../config/path_kind.ts";
import { isCompiled, programDir } from "../config/paths.ts";
import { realPathOf } from "../config/real_path.ts";

/**
 * The unstable APIs the daemon listens with, which a bundle has no deno.json for: `reusePort`
 * (lib/edge/port_reservation.ts), and the signal of a request that aborts only when its client has gone
 * (lib/edge/modern_endpoint.ts), without which Deno prints a warning.
 */
const UNSTABLE_FLAGS = ["--unstable-net", "--unstable-no-legacy-abort"];

/** The daemon's command line: the executable beside the shim's, or the source beside its entry point. */
export function daemonCommand(): { command: string; args: string[] } {
  return ownProgram(["--if-not-running"]);
}

/** The command line of `exai-daemon` with `words`. */
export function ownProgram(words: readonly string[]): { command: string; args: string[] } {
  if (isCompiled()) return { command: programFile(), args: [...words] };
  return { command: Deno.execPath(), args: ["run", "-A", ...UNSTABLE_FLAGS, programFile(), ...words] };
}

/** {@linkcode ownProgram}, undefined where there is no file of it, as where a test or another program has the daemon in it. */
export async function findOwnProgram(
  words: readonly string[],
): Promise<{ command: string; args: string[] } | undefined> {
  return await isFile(programFile()) ? ownProgram(words) : undefined;
}

/**
 * The file of the daemon: the executable beside this one, daemon.ts beside shim.ts. The bundled daemon.js has a directory
 * of its own beside a bundled shim.js, with what it loads late.
 */
export function programFile(): string {
  const dir = programDir();
  if (isCompiled()) return join(dir, Deno.build.os === "windows" ? "exai-daemon.exe" : "exai-daemon");
  const name = `daemon${extname(Deno.mainModule)}`;
  const bundled = join(dir, "daemon", name);
  return name === "daemon.js" && realPathOf(bundled) !== undefined ? bundled : join(dir, name);
}
