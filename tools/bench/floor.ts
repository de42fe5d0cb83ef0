import { deadline } from "@std/async/deadline";
import { fromFileUrl, join } from "@std/path";
import { SHIM_V8_FLAGS } from "../../lib/config/shim_program.ts";
import { tempDir } from "../lib/held.ts";
import { Spawned } from "../lib/spawned.ts";
import { ECHO, openStdioWindow } from "./stdio_window.ts";
import type { Shape, Subject } from "./subject.ts";

const START_MS = 30_000;

/**
 * The least that a shim and a daemon on Deno cost between a client and a stdio server: bytes are copied from pipe to
 * socket to pipe, and of each message the id alone is read and replaced. Nothing is checked, limited, kept or recorded.
 */
export function copyingSubject(
  server: { command: string; args: readonly string[] },
  shapes: readonly Shape[],
): Subject {
  return {
    name: "floor: shim and daemon that only copy",
    role: "floor",
    shapes,
    hasWindows: true,
    async open() {
      const path = join(await tempDir("exai-floor-"), "socket");
      const daemon = new Spawned(programOf("floor_daemon.ts", [path, server.command, ...server.args]));
      await deadline(firstWords(daemon), START_MS);
      return {
        roots: [daemon.pid],
        openWindow: () => openStdioWindow(programOf("floor_shim.ts", [path], [SHIM_V8_FLAGS]), ECHO),
        [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
      };
    },
  };
}

function programOf(name: string, args: readonly string[], flags: readonly string[] = []) {
  const path = fromFileUrl(new URL(name, import.meta.url));
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", "--no-config", ...flags, path, ...args],
  };
}

function firstWords(program: Spawned): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  program.child.stdout.once("data", () => resolve());
  program.exited.then((how) => reject(new Error(`the floor's daemon ${how}${program.lastWords}`)));
  return promise;
}
