/** What the job object of a process does to the processes that it starts. */
export interface JobLimits {
  isInJob: boolean;
  /** Its `LimitFlags`. */
  flags?: number;
}

const BREAKAWAY_OK = 0x0800;
const SILENT_BREAKAWAY_OK = 0x1000;
const KILL_ON_JOB_CLOSE = 0x2000;

/**
 * Where a program is started that is to outlive this process. Some clients (those on MCP's Python SDK) hold their servers
 * in a job that ends with them, and with it everything those have started.
 *
 * - `plain`: as any other;
 * - `released`: as any other: the job lets go of it (Node's own, under `npx`), but another one around may hold it;
 * - `breakaway`: outside of the job where that allows it, else as any other: this job ends nothing;
 * - `outside`: by another program that is not in the job.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { placeOf } from "./job_limits.ts";
 *
 * assertEquals(placeOf({ isInJob: false }), "plain");
 * assertEquals(placeOf({ isInJob: true, flags: 0x2000 }), "outside");
 * assertEquals(placeOf({ isInJob: true, flags: 0x2800 }), "breakaway");
 * ```
 */
export function placeOf({ isInJob, flags = 0 }: JobLimits): "plain" | "released" | "breakaway" | "outside" {
  if (!isInJob) return "plain";
  if ((flags & SILENT_BREAKAWAY_OK) !== 0) return "released";
  return (flags & KILL_ON_JOB_CLOSE) !== 0 && (flags & BREAKAWAY_OK) === 0 ? "outside" : "breakaway";
}
