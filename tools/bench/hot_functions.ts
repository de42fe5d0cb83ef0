import type { CallFrame, CpuProfile } from "./profiler.ts";

/** A function and its part of the time a program was busy. */
export interface HotFunction {
  /** Its name and where it is, as `encode (lib/session/encode.ts)`. */
  name: string;
  /** Of the busy time, in percent, without what it calls. */
  percent: number;
}

/** What V8 calls time in which the program waited. */
const IDLE = "(idle)";

/** The profiler itself, as it starts and stops. */
const INSPECTOR = "ext:deno_node/inspector.js";

/** What V8's other names mean. */
const NAMES: Readonly<Record<string, string>> = {
  "(program)": "outside of JavaScript: system calls, V8, Deno",
  "(garbage collector)": "garbage collection",
};

/**
 * The functions in which `profile` spent most of its busy time, at most `count`. Paths are shown from `root` on.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hotFunctions } from "./hot_functions.ts";
 *
 * const frame = (functionName: string, url = "") => ({ functionName, url });
 * const profile = {
 *   nodes: [{ id: 1, callFrame: frame("(idle)") }, { id: 2, callFrame: frame("run", "file:///exai/lib/a.ts") }],
 *   samples: [1, 2, 2],
 *   timeDeltas: [500, 100, 100],
 * };
 * assertEquals(hotFunctions(profile, { count: 1, root: "file:///exai/" }), [{ name: "run (lib/a.ts)", percent: 100 }]);
 * ```
 */
export function hotFunctions(
  { nodes, samples, timeDeltas }: CpuProfile,
  { count, root }: { count: number; root: string },
): HotFunction[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const timeOf = new Map<string, number>();
  let busy = 0;
  for (const [at, id] of samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined || frame.functionName === IDLE || frame.url === INSPECTOR) continue;
    // The time after a sample belongs to it, up to the next one.
    const time = timeDeltas[at + 1] ?? 0;
    const name = describe(frame, root);
    timeOf.set(name, (timeOf.get(name) ?? 0) + time);
    busy += time;
  }
  return [...timeOf].sort(([, a], [, b]) => b - a).slice(0, count)
    .map(([name, time]) => ({ name, percent: (time / busy) * 100 }));
}

function describe({ functionName, url }: CallFrame, root: string): string {
  if (url === "") return NAMES[functionName] ?? functionName;
  const place = url.startsWith(root) ? url.slice(root.length) : url.replace(/^.*\/npm\/[^/]+\//, "npm:");
  return `${functionName || "(anonymous)"} (${place})`;
}
