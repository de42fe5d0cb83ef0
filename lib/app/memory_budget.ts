import { getHeapStatistics } from "node:v8";
import { getLogger } from "@logtape/logtape";
import { ByteBudget } from "../base/byte_budget.ts";
import { formatBytes, MIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Settings } from "../config/settings.ts";

const log = getLogger(["exai", "daemon"]);

const MOST_BYTES = 256 * MIB;
const LEAST_BYTES = 16 * MIB;
const LOG_EVERY_MS = 10 * SECOND_MS;

/** The memory budget for everything held for clients, from the settings. */
export function openMemoryBudget(
  settings: Pick<Settings, "maxHeldBytes" | "maxFrameBytes">,
  onEvict: () => void,
): ByteBudget {
  let loggedMs = -Infinity;
  const budget = new ByteBudget({
    maxBytes: settings.maxHeldBytes === "auto" ? byMemory(settings.maxFrameBytes) : settings.maxHeldBytes,
    onEvict: () => {
      onEvict();
      if (performance.now() - loggedMs < LOG_EVERY_MS) return;
      loggedMs = performance.now();
      log.warning("{fault}", { fault: memoryFault(budget) });
    },
  });
  return budget;
}

/** The fault to report until a minute after the last eviction. */
export function memoryFault(budget: ByteBudget): string | undefined {
  if (performance.now() - budget.lastEvictionMs > MINUTE_MS) return undefined;
  return `more was to be held for clients than the ${formatBytes(budget.maxBytes)} of EXAI_MAX_HELD_BYTES, ` +
    `so the oldest gave way (${budget.evictions} times since the start)`;
}

/**
 * A sixteenth of the memory of the machine, at most a quarter of the heap limit, but at least two messages: otherwise a
 * client that is reading one would be treated as one that does not read.
 */
function byMemory(maxFrameBytes: number): number {
  const { heap_size_limit: heapBytes } = getHeapStatistics();
  const bytes = Math.min(MOST_BYTES, Deno.systemMemoryInfo().total / 16, heapBytes / 4);
  return Math.round(Math.max(LEAST_BYTES, 2 * maxFrameBytes, bytes));
}

/** The memory held now; recounted, since some is released without notice. */
export function memoryHeld(budget: ByteBudget) {
  budget.recount();
  const { bytes, maxBytes, evictions } = budget;
  return { bytes, maxBytes, evictions };
}
