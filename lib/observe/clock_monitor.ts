import { SECOND_MS } from "../base/units.ts";

/** The clocks of a machine. */
interface Clocks {
  /** The clock on the wall, in milliseconds since 1970: a person or a server may set it. */
  wallMs(): number;
  /** Never jumps; may stand still while the machine sleeps, in milliseconds. */
  steadyMs(): number;
  /** How long the machine is up, sleep included, in milliseconds; exact to a second or two. */
  uptimeMs(): number;
}

/** What happened to time since it was last looked at; each is 0 when it did not. In milliseconds. */
export interface ClockGap {
  /** The machine slept. */
  sleptMs: number;
  /** This process was stopped, or too busy to look. */
  stoppedMs: number;
  /** The clock was set ahead, or (negative) back. */
  jumpMs: number;
}

const LOOK_MS = SECOND_MS;
/** Less is the fine adjustment of clocks, or a busy machine. */
const GAP_MS = 5 * SECOND_MS;

/**
 * Notices when time does not go on evenly: the machine has slept, the process was stopped, the clock was set. Keeps a
 * clock of its own that sleep moves and setting does not, for what is kept by age.
 */
export class ClockMonitor implements Disposable {
  /** Told of each gap; set by whoever must do something about it. */
  onGap = (_gap: ClockGap) => {};
  readonly #clocks: Clocks;
  #timer: ReturnType<typeof setInterval> | undefined;
  #wallMs: number;
  #steadyMs: number;
  #uptimeMs: number;
  /** How far the clock on the wall was set since this began. */
  #setMs = 0;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#wallMs = clocks.wallMs();
    this.#steadyMs = clocks.steadyMs();
    this.#uptimeMs = clocks.uptimeMs();
  }

  /** Begins to look by itself. */
  start(): void {
    this.#timer = setInterval(() => this.check(LOOK_MS), LOOK_MS);
  }

  /** The time since 1970 as the clock had it when this began, whatever it was set to since, in milliseconds. */
  readonly now = (): number => {
    // It may have been set a moment ago, and whoever asks is about to delete what looks old.
    if (Math.abs(this.#drift()) > GAP_MS) this.check(Infinity);
    return this.#clocks.wallMs() - this.#setMs;
  };

  /** Looks what has become of time; it was meant to look `afterMs` after the last time. */
  check(afterMs: number): void {
    const clocks = this.#clocks;
    const drift = this.#drift();
    const steady = clocks.steadyMs() - this.#steadyMs;
    const uptime = clocks.uptimeMs() - this.#uptimeMs;
    // A machine that is up for longer than the steady clock says has slept.
    const slept = uptime - steady;
    const sleptMs = slept > GAP_MS ? slept : 0;
    const jump = drift - sleptMs;
    const jumpMs = Math.abs(jump) > GAP_MS ? jump : 0;
    const stoppedMs = steady - afterMs > GAP_MS ? steady - afterMs : 0;
    this.#setMs += jumpMs;
    this.#wallMs = clocks.wallMs();
    this.#steadyMs = clocks.steadyMs();
    this.#uptimeMs = clocks.uptimeMs();
    if (sleptMs > 0 || stoppedMs > 0 || jumpMs !== 0) this.onGap({ sleptMs, stoppedMs, jumpMs });
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
