import { join } from "@std/path";
import { commandFor, type PrivateDaemon, privateEnv, startPrivateDaemon } from "../lib/programs.ts";
import { ECHO, NoSuchTool, openStdioWindow, type ToolCall, VERSION_TOOL } from "./stdio_window.ts";
import { NotAvailable, type Role, type Shape, type Subject } from "./subject.ts";

/** Where the two programs are: `daemon.ts` and `shim.ts`, or executables. */
export interface Programs {
  daemon: string;
  shim: string;
}

/** EXAI's own `version` through shims. */
export function shimSubject(name: string, programs: Programs, shapes: readonly Shape[]): Subject {
  return exaiSubject(name, programs, { role: "own", shapes, call: VERSION_TOOL, servers: {} });
}

/** A mounted server, one process for all windows, through shims. */
export function mountedSubject(
  name: string,
  programs: Programs,
  options: { shapes: readonly Shape[]; server: { command: string; args: readonly string[] } },
): Subject {
  return exaiSubject(name, programs, {
    role: "mounted",
    shapes: options.shapes,
    call: ECHO,
    servers: { everything: options.server },
  });
}

interface ExaiOptions {
  role: Role;
  shapes: readonly Shape[];
  call: ToolCall;
  /** As `mcpServers` of mcp.json has them. */
  servers: Record<string, { command: string; args: readonly string[] }>;
}

function exaiSubject(name: string, programs: Programs, options: ExaiOptions): Subject {
  return {
    name,
    role: options.role,
    shapes: options.shapes,
    hasWindows: true,
    async open() {
      const daemon = await startPrivateDaemon(programs.daemon, {
        prepare: (home) =>
          Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers: options.servers })),
      });
      return {
        roots: [daemon.pid],
        openWindow: () => openWindow(daemon, programs.shim, options.call),
        [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
      };
    },
  };
}

async function openWindow(daemon: PrivateDaemon, shim: string, call: ToolCall) {
  const env = {
    ...privateEnv(daemon.home),
    EXAI_WS_PORT: new URL(daemon.url).port,
    EXAI_WS_AUTOSTART: "false",
  };
  try {
    return await openStdioWindow({ ...commandFor(shim), env }, call);
  } catch (thrown) {
    if (thrown instanceof NoSuchTool) {
      throw new NotAvailable("the daemon does not offer the mounted server's tools");
    }
    throw thrown;
  }
}
