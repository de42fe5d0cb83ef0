/** Binary byte units. */
export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Time units in milliseconds. */
export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/**
 * `bytes` in the largest unit that fits: "512 B", "1.5 KiB", "32 MiB". What is saved may be fewer than none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatBytes } from "./units.ts";
 *
 * assertEquals([512, 1536, -2048].map(formatBytes), ["512 B", "1.5 KiB", "-2 KiB"]);
 * ```
 */
export function formatBytes(bytes: number): string {
  if (bytes < 0) return `-${formatBytes(-bytes)}`;
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/**
 * `ms` in the units that a person reads, at most two of them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatDuration } from "./units.ts";
 *
 * assertEquals([0.42, 12, 3210, 42_900].map(formatDuration), ["0.4 ms", "12 ms", "3.2 s", "42 s"]);
 * assertEquals([125_000, 3_660_000, 90_000_000].map(formatDuration), ["2 min 5 s", "1 h 1 min", "1 d 1 h"]);
 * ```
 */
export function formatDuration(ms: number): string {
  // Figures that would round up to the next unit are cut off instead.
  if (ms < 10) return `${Math.max(0, ms).toFixed(1)} ms`;
  if (ms < SECOND_MS) return `${Math.floor(ms)} ms`;
  if (ms < 10 * SECOND_MS) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return twoUnits(ms, [MINUTE_MS, "min"], [SECOND_MS, "s"]);
  return ms < DAY_MS
    ? twoUnits(ms, [HOUR_MS, "h"], [MINUTE_MS, "min"])
    : twoUnits(ms, [DAY_MS, "d"], [HOUR_MS, "h"]);
}

function twoUnits(
  ms: number,
  [big, bigName]: [number, string],
  [small, smallName]: [number, string],
): string {
  return `${Math.floor(ms / big)} ${bigName} ${Math.floor(ms % big / small)} ${smallName}`;
}

/** `$1.50`, `$0.0042`: more digits after the point where cents would show nothing. */
export function formatUsd(usd: number): string {
  const digits = usd === 0 || usd >= 0.1 ? 2 : usd >= 0.001 ? 4 : 6;
  return `$${usd.toFixed(digits)}`;
}
