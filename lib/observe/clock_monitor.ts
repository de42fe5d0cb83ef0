import { EventEmitter } from "node:events";
import { SECOND_MS } from "../base/units.ts";

/** The clocks of a machine. */
interface Clocks {
  /** Wall clock, in milliseconds since 1970; a user or an NTP client may set it. */
  wallMs(): number;
  /** Monotonic clock, in milliseconds; it may stop while the machine sleeps. */
  steadyMs(): number;
  /** Uptime of the machine including sleep, in milliseconds; exact to a second or two. */
  uptimeMs(): number;
}

/** What happened to the clocks since the last check, in milliseconds; 0 for what did not happen. */
export interface ClockGap {
  /** The machine was suspended. */
  sleptMs: number;
  /** This process was stopped, or too busy for the check. */
  stoppedMs: number;
  /** The wall clock was set forward, or (negative) back. */
  jumpMs: number;
}

const CHECK_MS = SECOND_MS;
/** Smaller differences are NTP adjustments or a busy machine. */
const MIN_GAP_MS = 5 * SECOND_MS;

/**
 * Detects that the machine was suspended, the process was stopped or the clock was set, and emits `gap` for each. Its
 * own clock, {@linkcode now}, follows suspension but not the setting of the wall clock; use it to expire what is kept by
 * age.
 */
export class ClockMonitor extends EventEmitter<{ gap: [ClockGap] }> implements Disposable {
  readonly #clocks: Clocks;
  #timer: ReturnType<typeof setInterval> | undefined;
  #wallMs: number;
  #steadyMs: number;
  #uptimeMs: number;
  /** By how much the wall clock was set since the monitor was created. */
  #setMs = 0;

  constructor(clocks: Clocks) {
    super();
    this.#clocks = clocks;
    this.#wallMs = clocks.wallMs();
    this.#steadyMs = clocks.steadyMs();
    this.#uptimeMs = clocks.uptimeMs();
  }

  /** Monitors the clocks of this machine, with a check every second. */
  static ofSystem(): ClockMonitor {
    const monitor = new ClockMonitor({
      wallMs: () => Date.now(),
      steadyMs: () => performance.now(),
      uptimeMs: () => Deno.osUptime() * SECOND_MS,
    });
    monitor.#timer = setInterval(() => monitor.check(CHECK_MS), CHECK_MS);
    return monitor;
  }

  /** Milliseconds since 1970 by the wall clock as it was set when the monitor was created. */
  readonly now = (): number => {
    // The clock may have been set since the last check, and the caller is about to delete what looks old.
    if (Math.abs(this.#drift()) > MIN_GAP_MS) this.check(Infinity);
    return this.#clocks.wallMs() - this.#setMs;
  };

  /** Compares the clocks; `afterMs` is how long after the previous check this one was due. */
  check(afterMs: number): void {
    const clocks = this.#clocks;
    const drift = this.#drift();
    const steady = clocks.steadyMs() - this.#steadyMs;
    const uptime = clocks.uptimeMs() - this.#uptimeMs;
    // Uptime includes sleep, the steady clock does not.
    const slept = uptime - steady;
    const sleptMs = slept > MIN_GAP_MS ? slept : 0;
    const jump = drift - sleptMs;
    const jumpMs = Math.abs(jump) > MIN_GAP_MS ? jump : 0;
    const stoppedMs = steady - afterMs > MIN_GAP_MS ? steady - afterMs : 0;
    this.#setMs += jumpMs;
    this.#wallMs = clocks.wallMs();
    this.#steadyMs = clocks.steadyMs();
    this.#uptimeMs = clocks.uptimeMs();
    if (sleptMs > 0 || stoppedMs > 0 || jumpMs !== 0) this.emit("gap", { sleptMs, stoppedMs, jumpMs });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #drift(): number {
    const clocks = this.#clocks;
    return clocks.wallMs() - this.#wallMs - (clocks.steadyMs() - this.#steadyMs);
  }
}

/** `gap` for the log and the health report. */
export function describeGap({ sleptMs, stoppedMs, jumpMs }: ClockGap): string {
  const seconds = (ms: number) => `${Math.round(Math.abs(ms) / SECOND_MS)} s`;
  return [
    ...(sleptMs > 0 ? [`the machine slept for ${seconds(sleptMs)}`] : []),
    ...(stoppedMs > 0 ? [`the daemon stood still for ${seconds(stoppedMs)}`] : []),
    ...(jumpMs !== 0 ? [`the clock was set ${jumpMs > 0 ? "ahead" : "back"} by ${seconds(jumpMs)}`] : []),
  ].join(", ");
}
