import { getLogger } from "@logtape/logtape";
import { type ClockGap, describeGap } from "./clock_monitor.ts";
import { RingBuffer } from "./ring_buffer.ts";

const log = getLogger(["exai", "daemon"]);

const MAX_NOTES = 5;
const MAX_LASTING = 20;

/** Events for the health report that need no action. */
export class HealthNotes {
  readonly #notes = new RingBuffer<string>(MAX_NOTES);
  readonly #lasting = new RingBuffer<string>(MAX_LASTING);

  /** The lasting notes, then the latest of the others, oldest first; each with its time. */
  get list(): string[] {
    return [...this.#lasting.last(MAX_LASTING), ...this.#notes.last(MAX_NOTES)];
  }

  /** Adds a note that other notes do not replace, such as a file that was moved aside. */
  addLasting(text: string): void {
    this.#lasting.push(`${new Date().toISOString()} ${text}`);
  }

  /** Logs and notes that the machine slept, the process was stopped or the clock was set. */
  addClockGap(gap: ClockGap): void {
    const text = describeGap(gap);
    log.warning("{text}", { text });
    this.#notes.push(`${new Date().toISOString()} ${text}`);
  }
}
