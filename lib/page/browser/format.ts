import type { SampleEvent } from "../../admin/watch_event.ts";
import { SECOND_MS } from "../../base/units.ts";

/** What stands where nothing is known. */
export const NONE = "–";

/** What `format` makes of `value`, where that is known. */
export function known<T>(value: T | undefined, format: (value: T) => string): string {
  return value === undefined ? NONE : format(value);
}

/** What a client calls itself; some give a name of nothing. */
export function clientName(name: unknown): string {
  return typeof name === "string" && name.trim() !== "" ? name : "no name given";
}

/** How many of what was counted in a sample there were in a second. */
export function perSecond(count: number, { interval_ms }: SampleEvent): number {
  return count * SECOND_MS / Math.max(1, interval_ms);
}

export function formatCount(count: number): string {
  return Number.isFinite(count) ? count.toLocaleString("en") : NONE;
}

/** The time of day of an ISO time, with the day if it was not today. */
export function formatTime(iso: unknown): string {
  const at = typeof iso === "string" ? new Date(iso) : undefined;
  if (!at || Number.isNaN(at.getTime())) return NONE;
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

/** The last part of a path of any system. */
export function lastPart(path: string): string {
  return path.split(/[\\/]/).filter((part) => part !== "").at(-1) ?? path;
}
