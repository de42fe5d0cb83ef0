import { getLogger } from "@logtape/logtape";
import { SECOND_MS } from "../base/units.ts";
import { ClockWatch, describeGap } from "./clock_monitor.ts";
import { Ring } from "./ring_buffer.ts";

const log = getLogger(["exai", "daemon"]);

const MAX_NOTES = 5;
const MAX_LASTING = 20;

/** Watches the clocks of this machine. */
export function openClock(): ClockWatch {
  const clock = new ClockWatch({
    wallMs: () => Date.now(),
    steadyMs: () => performance.now(),
    uptimeMs: () => Deno.osUptime() * SECOND_MS,
  });
  clock.start();
  return clock;
}

/** What has happened that is worth knowing, for the health report. */
export class Notes {
  readonly #ring = new Ring<string>(MAX_NOTES);
  readonly #lasting = new Ring<string>(MAX_LASTING);

  /** What stays worth knowing until the daemon ends, then the latest of the rest, oldest first. */
  get list(): string[] {
    return [...this.#lasting.last(MAX_LASTING), ...this.#ring.last(MAX_NOTES)];
  }

  /** Notes something that other notes do not push out, as a file that was put aside. */
  addLasting(text: string): void {
    this.#lasting.push(`${new Date().toISOString()} ${text}`);
  }

  /** Notes when time does not go on evenly, and has `onReturn` called when clients could not say anything meanwhile. */
  follow(clock: ClockWatch, onReturn: () => void): void {
    clock.onGap = (gap) => {
      const text = describeGap(gap);
      log.warning("{text}", { text });
      this.#ring.push(`${new Date().toISOString()} ${text}`);
      if (gap.sleptMs > 0 || gap.stoppedMs > 0) onReturn();
    };
  }
}
