import * as z from "zod/mini";
import { KIB } from "../base/units.ts";
import { flag, hours, integer, seconds, setting } from "./setting.ts";

/** The settings of what the daemon keeps of its calls and of how it looks after its servers. */
export const UPKEEP_SETTINGS = {
  calls: flag({
    env: "EXAI_CALLS",
    fallback: true,
    help: "Whether every call is recorded in calls.db, for exai-daemon calls",
  }),
  callsMaxAgeMs: hours(
    { env: "EXAI_CALLS_MAX_AGE_HOURS", fallback: 168, help: "How long a recorded call is kept" },
    0.01,
    87_600,
  ),
  callsMaxBytes: integer(
    {
      env: "EXAI_CALLS_MAX_BYTES",
      fallback: 64 * 1024 * KIB,
      unit: "bytes",
      help: "Size of calls.db; the oldest calls make room",
    },
    256 * KIB,
    64 * 1024 * 1024 * KIB,
  ),
  callsBodies: flag({
    env: "EXAI_CALLS_BODIES",
    fallback: false,
    help: "Whether arguments and answers are recorded too, with what looks like a secret taken out",
  }),
  callsBodyMaxBytes: integer(
    {
      env: "EXAI_CALLS_BODY_MAX_BYTES",
      fallback: 64 * KIB,
      unit: "bytes",
      help: "How much of one argument or answer is recorded; the rest is cut off",
    },
    64,
    16 * 1024 * KIB,
  ),
  breakerFailures: integer(
    {
      env: "EXAI_BREAKER_FAILURES",
      fallback: 5,
      help:
        "Failures in a row (no answer in time, not reached, crashed) after which a process of a mounted server is left alone; 0: never",
    },
    0,
    1000,
  ),
  breakerOpenMs: seconds(
    {
      env: "EXAI_BREAKER_OPEN",
      fallback: 30,
      help: "How long it is left alone before calls try it again, one every two seconds at first",
    },
    0.01,
    86_400,
  ),
  upstreamMemory: setting<number | "auto">(
    {
      env: "EXAI_UPSTREAM_MEMORY",
      fallback: "auto",
      help:
        "Memory mounted servers may hold together; beyond it the one not used for longest is stopped until its next call; auto: half of the machine's; 0: any",
    },
    {
      allowed: "auto, or a whole number of MiB",
      unit: "MiB",
      schema: z.pipe(
        z.string().check(z.regex(/^(auto|\d{1,8})$/)),
        z.transform((text: string) => text === "auto" ? "auto" as const : Number(text) * 1024 * KIB),
      ),
    },
  ),
  maxHeldBytes: setting<number | "auto">(
    {
      env: "EXAI_MAX_HELD_BYTES",
      fallback: "auto",
      help:
        "What may be held for all clients together: answers not fetched, unread or to be sent again, requests being read; beyond it the oldest gives way; auto: by the memory there is, 256 MiB at most",
    },
    {
      allowed: "auto, or a whole number of bytes, at least 1048576",
      unit: "bytes",
      schema: z.pipe(
        z.string().check(
          z.refine((text) => text === "auto" || (/^\d{7,15}$/.test(text) && Number(text) >= 1024 * KIB)),
        ),
        z.transform((text: string) => text === "auto" ? "auto" as const : Number(text)),
      ),
    },
  ),
  upstreamProcesses: integer(
    {
      env: "EXAI_UPSTREAM_PROCESSES",
      fallback: 0,
      help: "Processes mounted servers may be together, in the same way; 0: any number",
    },
    0,
    100_000,
  ),
  upstreamMemoryLimitMib: integer(
    {
      env: "EXAI_UPSTREAM_MEMORY_LIMIT",
      fallback: 0,
      unit: "MiB",
      help:
        "Memory one mounted server may hold where mcp.json has no memoryLimitMb for it; one that holds more is replaced when its calls are done; 0: any",
    },
    0,
    1024 * 1024,
  ),
} as const;
