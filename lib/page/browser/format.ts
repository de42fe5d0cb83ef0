import { formatBytes, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../base/units.ts";

/** What stands where nothing is known. */
export const NONE = "–";

/** `ms` in the unit that a person reads: "0.4 ms", "12 ms", "3.2 s", "2 min 5 s", "3 h 4 min". */
export function formatDuration(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NONE;
  if (ms < 10) return `${Math.max(0, ms).toFixed(1)} ms`;
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTE_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < HOUR_MS) {
    return `${Math.floor(ms / MINUTE_MS)} min ${Math.floor((ms % MINUTE_MS) / SECOND_MS)} s`;
  }
  return `${Math.floor(ms / HOUR_MS)} h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)} min`;
}

/** Bytes, which may be fewer than none: what is saved may be negative. */
export function formatMemory(bytes: number | undefined): string {
  if (bytes === undefined) return NONE;
  return bytes < 0 ? `−${formatBytes(Math.round(-bytes))}` : formatBytes(Math.round(bytes));
}

export function formatCount(count: number | undefined): string {
  return count === undefined ? NONE : count.toLocaleString("en").replace("-", "−");
}

/** "1 window", "2 windows". */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
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
