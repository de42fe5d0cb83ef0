import { extname } from "@std/path/extname";
import { join } from "@std/path/join";
import { isCompiled, programDir } from "../config/paths.ts";

/** The daemon's command line: the executable beside the shim's, or the source beside its entry point. */
export function daemonCommand(): { command: string; args: string[] } {
  const start = "--if-not-running";
  if (isCompiled()) return { command: programFile(), args: [start] };
  // A bundle has no deno.json with the unstable API the daemon listens with (lib/edge/port_reservation.ts).
  return { command: Deno.execPath(), args: ["run", "-A", "--unstable-net", programFile(), start] };
}

/** The file of the daemon beside this program: daemon.ts beside shim.ts, daemon.js beside a bundled shim.js. */
export function programFile(): string {
  const name = !isCompiled()
    ? `daemon${extname(Deno.mainModule)}`
    : Deno.build.os === "windows"
    ? "exai-daemon.exe"
    : "exai-daemon";
  return join(programDir(), name);
}
