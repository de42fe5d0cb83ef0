import type { Json, JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { HOUR_MS } from "../base/units.ts";

/** Who may keep a result (MCP server/utilities/caching): anybody, or those with the same credentials alone. */
type CacheScope = "public" | "private";

/** How long a result may be kept, and by whom. */
export interface Freshness {
  /** By `monotonicNow`, in milliseconds. */
  readonly untilMs: number;
  readonly scope: CacheScope;
}

/** Longest time that the hint of a server is believed. */
const MAX_TTL_MS = 24 * HOUR_MS;

/** The part of `ttlMs`, as a server says it, that is believed: whole milliseconds, a day at most. */
export function believedTtlMs(ttlMs: Json | undefined): number {
  return typeof ttlMs === "number" && ttlMs > 0 ? Math.floor(Math.min(ttlMs, MAX_TTL_MS)) : 0;
}

/** The hints of a result received at `atMs`; undefined when it has none, as those of the legacy era. */
export function freshnessOf(
  { ttlMs, cacheScope }: JsonObject,
  atMs: number = monotonicNow(),
): Freshness | undefined {
  if (ttlMs === undefined && cacheScope === undefined) return undefined;
  // Anything but a plain "public" is kept from others.
  const scope = cacheScope === "public" ? "public" : "private";
  return { untilMs: atMs + believedTtlMs(ttlMs), scope };
}

/**
 * How long what is made of several results may be kept: as long as each of them, and by nobody who may not keep one of
 * them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { leastFresh } from "./freshness.ts";
 *
 * const lists = [{ untilMs: 20, scope: "public" }, { untilMs: 10, scope: "private" }] as const;
 * assertEquals(leastFresh(lists), { untilMs: 10, scope: "private" });
 * ```
 */
export function leastFresh(all: Iterable<Freshness | undefined>): Freshness | undefined {
  let least: Freshness | undefined;
  for (const one of all) {
    if (one === undefined) return undefined;
    if (least === undefined) least = one;
    else {
      least = {
        untilMs: Math.min(least.untilMs, one.untilMs),
        scope: least.scope === "public" ? one.scope : "private",
      };
    }
  }
  return least;
}

/** The members of a result that say for how long it may still be kept (MCP server/utilities/caching). */
export function freshnessHints(
  { untilMs, scope }: Freshness,
  nowMs: number = monotonicNow(),
): { ttlMs: number; cacheScope: CacheScope } {
  return { ttlMs: Math.max(0, Math.floor(untilMs - nowMs)), cacheScope: scope };
}
