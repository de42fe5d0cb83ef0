import { ExaiError } from "../../base/errors.ts";
import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Liveness } from "../../call/admission.ts";

/** Calls that time out within this time share one ping. */
const TOGETHER_MS = SECOND_MS / 2;

interface PingedLivenessOptions {
  /** Sends `ping` (MCP basic/utilities/ping). */
  ping(timeoutMs: number): Promise<unknown>;
  /** Unanswered calls in a row, with no other message, after which it is given up. */
  maxSilences: number;
  /** Called when it is given up. */
  onSilent(why: string): void;
}

/**
 * Distinguishes a process that does not respond from one that is slow with one call: any message is a sign of life, and a
 * process that has sent none is pinged, as gRPC keepalive does.
 */
export class PingedLiveness implements Liveness {
  heard = 0;
  readonly #options: PingedLivenessOptions;
  #silences = 0;
  /** `heard` at the last silence. */
  #heardAtSilence = -1;
  /** The ping in progress. */
  #ping: { verdict: Promise<boolean>; atMs: number } | undefined;
  /** The ping after it, for calls that time out while it is in progress. */
  #next: Promise<boolean> | undefined;

  constructor(options: PingedLivenessOptions) {
    this.#options = options;
  }

  check(patienceMs: number): Promise<boolean> {
    const current = this.#ping;
    if (current === undefined) return this.#begin(patienceMs);
    if (monotonicNow() - current.atMs < TOGETHER_MS) return current.verdict;
    return this.#next ??= current.verdict.then((isAnswering) => {
      this.#next = undefined;
      return isAnswering || this.check(patienceMs);
    });
  }

  #begin(patienceMs: number): Promise<boolean> {
    const verdict = this.#look(patienceMs).finally(() => this.#ping = undefined);
    this.#ping = { verdict, atMs: monotonicNow() };
    return verdict;
  }

  /** Counts one silence, however many calls wait for the result. */
  async #look(patienceMs: number): Promise<boolean> {
    const isAnswering = await this.#answers(patienceMs);
    if (!isAnswering) this.#silent(patienceMs);
    return isAnswering;
  }

  async #answers(patienceMs: number): Promise<boolean> {
    const before = this.heard;
    try {
      await this.#options.ping(patienceMs);
      return true;
    } catch (thrown) {
      const status = ExaiError.from(thrown).details?.status;
      // A server behind a URL that rejects a ping is alive.
      return this.heard !== before || typeof status === "number" && status < 500;
    }
  }

  #silent(patienceMs: number): void {
    this.#silences = this.heard === this.#heardAtSilence ? this.#silences + 1 : 1;
    this.#heardAtSilence = this.heard;
    if (this.#silences < this.#options.maxSilences) return;
    this.#options.onSilent(
      `it has sent nothing while ${this.#silences} calls in a row ran out of time, and did not answer ping within ` +
        `${patienceMs} ms`,
    );
  }
}
