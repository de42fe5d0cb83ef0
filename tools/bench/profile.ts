import { fromFileUrl, join } from "@std/path";
import { commandFor, privateEnv, SOURCE, startPrivateDaemon } from "../lib/programs.ts";
import { markdownTable } from "../markdown.ts";
import { drive } from "./drive.ts";
import { type HotFunction, hotFunctions } from "./hot_functions.ts";
import { Profiler } from "./profiler.ts";
import { ECHO, openStdioWindow } from "./stdio_window.ts";
import { describeShape, type Shape, type Window } from "./subject.ts";

const ROOT = new URL("../..", import.meta.url);
const PAGE = new URL("docs/performance.md", ROOT);
const PART = /(<!-- measured: hottest functions -->\n)[\s\S]*?(<!-- end -->)/;

const FUNCTIONS = 10;

export interface ProfileOptions {
  shapes: readonly Shape[];
  /** How long each load runs before it is profiled, so that what is called often has been compiled. */
  warmUpMs: number;
  durationMs: number;
  onstep(what: string): void;
}

/** The hottest functions of both programs under one load. */
export interface LoadProfile {
  shape: Shape;
  daemon: HotFunction[];
  /** Of the first window. */
  shim: HotFunction[];
}

/** Runs each load through shims, a daemon and a mounted server, with V8's sampling profiler in both programs. */
export async function profileLoads(options: ProfileOptions): Promise<LoadProfile[]> {
  const profilers = { daemon: new Profiler(), shim: new Profiler() };
  await using daemon = await startPrivateDaemon(commandFor(SOURCE.daemon, profilers.daemon.denoFlags), {
    env: profilers.daemon.env,
    prepare: (home) =>
      Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers: { fast: FAST } })),
  });
  const env = {
    ...privateEnv(daemon.home),
    EXAI_WS_PORT: new URL(daemon.url).port,
    EXAI_WS_AUTOSTART: "false",
  };
  await using stack = new AsyncDisposableStack();
  const windows: Window[] = [];
  const wanted = Math.max(...options.shapes.map((shape) => shape.windows));
  while (windows.length < wanted) {
    const command = windows.length === 0
      ? { ...commandFor(SOURCE.shim, profilers.shim.denoFlags), env: { ...env, ...profilers.shim.env } }
      : { ...commandFor(SOURCE.shim), env };
    windows.push(stack.use(await openStdioWindow(command, ECHO)));
  }
  const profiles: LoadProfile[] = [];
  for (const shape of options.shapes) {
    options.onstep(`profile: ${describeShape(shape)}`);
    profiles.push({ shape, ...await profileLoad(windows, shape, { ...profilers, ...options }) });
  }
  return profiles;
}

/** A server that costs little beside what is profiled. */
const FAST = commandFor(fromFileUrl(new URL("fast_server.ts", import.meta.url)));

async function profileLoad(
  windows: readonly Window[],
  { windows: count, inflight, payloadBytes }: Shape,
  { daemon, shim, warmUpMs, durationMs }: ProfileOptions & { daemon: Profiler; shim: Profiler },
): Promise<Pick<LoadProfile, "daemon" | "shim">> {
  const exchanges = windows.slice(0, count).map((window) => window.exchange(payloadBytes));
  await drive(exchanges, { inflight, durationMs: warmUpMs });
  await daemon.start();
  await shim.start();
  await drive(exchanges, { inflight, durationMs });
  const how = { count: FUNCTIONS, root: ROOT.href };
  return {
    daemon: hotFunctions(await daemon.stop(), how),
    shim: hotFunctions(await shim.stop(), how),
  };
}

/** One table for each load, for the page about performance. */
export function formatProfiles(profiles: readonly LoadProfile[]): string {
  return profiles.map(({ shape, daemon, shim }) => {
    const rows = Array.from({ length: FUNCTIONS }, (_, at) => [...cells(daemon[at]), ...cells(shim[at])]);
    return `${describeShape(shape)}:\n\n${markdownTable(["daemon", "%", "shim", "%"], rows)}`;
  }).join("\n");
}

/** Writes `text` into the page about performance, where its profiles stand. */
export async function writeProfiles(text: string): Promise<void> {
  const before = await Deno.readTextFile(PAGE);
  if (!PART.test(before)) throw new Error(`${PAGE.pathname} has no part for the hottest functions`);
  const after = before.replace(PART, (_, begin: string, end: string) => `${begin}\n${text}\n${end}`);
  await Deno.writeTextFile(PAGE, after);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", fromFileUrl(PAGE)] }).output();
}

function cells(hot: HotFunction | undefined): string[] {
  return hot === undefined ? ["", ""] : [hot.name, hot.percent.toFixed(1)];
}
