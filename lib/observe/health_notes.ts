import { getLogger } from "@logtape/logtape";
import { SECOND_MS } from "../base/units.ts";
import { ClockMonitor, describeGap } from "./clock_monitor.ts";
import { RingBuffer } from "./ring_buffer.ts";

const log = getLogger(["exai", "daemon"]);

const MAX_NOTES = 5;
const MAX_LASTING = 20;

/** Watches the clocks of this machine. */
export function openClock(): ClockMonitor {
  const clock = new ClockMonitor({
    wallMs: () => Date.now(),
    steadyMs: () => performance.now(),
    uptimeMs: () => Deno.osUptime() * SECOND_MS,
  });
  clock.start();
  return clock;
}

/** What has happened that is worth knowing, for the health report. */
export class HealthNotes {
  readonly #ring = new RingBuffer<string>(MAX_NOTES);
  readonly #lasting = new RingBuffer<string>(MAX_LASTING);

  /** What stays worth knowing until the daemon ends, then the latest of the rest, oldest first. */
  get list(): string[] {
    return [...this.#lasting.last(MAX_LASTING), ...this.#ring.last(MAX_NOTES)];
  }

  /** Notes something that other notes do not push out, as a file that was put aside. */
  addLasting(text: string): void {
    this.#lasting.push(`${new Date().toISOString()} ${text}`);
  }

  /** Notes when time does not go on evenly, and has `onReturn` called when clients could not say anything meanwhile. */
  follow(clock: ClockMonitor, onReturn: () => void): void {
    clock.onGap = (gap) => {
      const text = describeGap(gap);
      log.warning("{text}", { text });
      this.#ring.push(`${new Date().toISOString()} ${text}`);
      if (gap.sleptMs > 0 || gap.stoppedMs > 0) onReturn();
    };
  }
}
