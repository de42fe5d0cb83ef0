import { fromFileUrl, join } from "@std/path";
import { hold } from "../lib/held.ts";
import { endStartedDaemon, type PrivateDaemon, privateEnv, startPrivateDaemon } from "../lib/programs.ts";
import type { Command } from "../lib/spawned.ts";
import type { Build } from "./builds.ts";
import { ECHO, NoSuchTool, openStdioWindow, type ToolCall, VERSION_TOOL } from "./stdio_window.ts";
import { type ColdStart, NotAvailable, type Role, type Shape, type Subject, type Window } from "./subject.ts";

/** EXAI's own `version` through shims. */
export function shimSubject(name: string, build: Build, shapes: readonly Shape[]): Subject {
  return new ExaiSubject(name, build, { role: "own", shapes, call: VERSION_TOOL });
}

/** A mounted server, one process for all windows, through shims. */
export function mountedSubject(
  name: string,
  build: Build,
  options: { shapes: readonly Shape[]; server: Command; hasCrowd: boolean },
): Subject {
  return new ExaiSubject(name, build, { role: "mounted", call: ECHO, ...options });
}

const FAST_SERVER = fromFileUrl(new URL("fast_server.ts", import.meta.url));

/** A client and a mounted server of each pair of eras, through a shim. The first is the pair of older ones. */
export function eraSubjects(build: Build, shapes: readonly Shape[]): Subject[] {
  const pairs = [[false, false], [false, true], [true, false], [true, true]] as const;
  return pairs.map(([isModern, hasModernServer]) => {
    const args = ["run", "-A", "--no-check", FAST_SERVER, ...hasModernServer ? ["modern"] : []];
    const name = `${isModern ? 2026 : 2025} client, ${hasModernServer ? 2026 : 2025} server, ${build.name}`;
    return new ExaiSubject(name, build, {
      role: "eras",
      shapes,
      call: { ...ECHO, isModern },
      server: { command: Deno.execPath(), args },
      hasWindows: false,
    });
  });
}

interface ExaiOptions {
  role: Role;
  shapes: readonly Shape[];
  call: ToolCall;
  server?: Command;
  hasWindows?: boolean;
  hasCrowd?: boolean;
}

class ExaiSubject implements Subject {
  readonly name: string;
  readonly role: Role;
  readonly shapes: readonly Shape[];
  readonly isBuilt: boolean;
  readonly hasWindows: boolean;
  readonly hasCrowd: boolean;
  readonly #build: Build;
  readonly #call: ToolCall;
  readonly #server: Command | undefined;

  constructor(name: string, build: Build, options: ExaiOptions) {
    const { role, shapes, call, server, hasWindows = true, hasCrowd = false } = options;
    this.name = name;
    this.role = role;
    this.shapes = shapes;
    this.isBuilt = build.isBuilt;
    this.hasWindows = hasWindows;
    this.hasCrowd = hasCrowd;
    this.#build = build;
    this.#call = call;
    this.#server = server;
  }

  async open(server = this.#server) {
    const daemon = await this.#startDaemon(server);
    const window = { ...this.#build.shim, env: shimEnv(daemon) };
    return {
      roots: [daemon.pid],
      window,
      openWindow: () => openWindow(window, this.#call),
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    };
  }

  /** Starts of a shim that starts its daemon, in a home that has seen the mounted server before. */
  async prepareCold(): Promise<ColdStart> {
    let home: string;
    {
      await using daemon = await this.#startDaemon(this.#server);
      await using _seen = await openWindow({ ...this.#build.shim, env: shimEnv(daemon) }, this.#call);
      home = daemon.home;
    }
    return { start: () => startAll({ ...this.#build.shim, env: privateEnv(home) }, home, this.#call) };
  }

  async #startDaemon(server: Command | undefined): Promise<PrivateDaemon> {
    // Left to itself, EXAI keeps the state of this server apart for each window.
    const mcpServers = server === undefined ? {} : { everything: { ...server, share: "machine" } };
    return await startPrivateDaemon(this.#build.daemon, {
      prepare: (home) => Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers })),
    });
  }
}

async function startAll(shim: Command, home: string, call: ToolCall): Promise<Window> {
  // Held before it is started: a shim that fails may have started it all the same.
  const daemon = hold("process", () => endStartedDaemon(home));
  try {
    const window = await openWindow(shim, call);
    return {
      ...window,
      async [Symbol.asyncDispose]() {
        await window[Symbol.asyncDispose]();
        await daemon[Symbol.asyncDispose]();
      },
    };
  } catch (thrown) {
    await daemon[Symbol.asyncDispose]();
    throw thrown;
  }
}

function shimEnv({ home, url }: PrivateDaemon): Record<string, string> {
  return { ...privateEnv(home), EXAI_WS_PORT: new URL(url).port, EXAI_WS_AUTOSTART: "false" };
}

async function openWindow(shim: Command, call: ToolCall): Promise<Window> {
  try {
    return await openStdioWindow(shim, call);
  } catch (thrown) {
    if (thrown instanceof NoSuchTool) {
      throw new NotAvailable("the daemon does not offer the mounted server's tools");
    }
    throw thrown;
  }
}
