import { ExaiError } from "../base/errors.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Liveness } from "../call/admission.ts";

/** Calls that run out of time so soon after one another do so together. */
const TOGETHER_MS = SECOND_MS / 2;

interface PingedLivenessOptions {
  /** Asks the process something that any server answers at once. */
  ping(timeoutMs: number): Promise<unknown>;
  /** So many calls in a row it may leave without an answer, and say nothing, before it is given up. */
  maxSilences: number;
  /** It answers nobody any more. */
  onsilent(why: string): void;
}

/**
 * Tells a process that answers nobody from one that is slow with one call: any message is a sign of life, and one that
 * has sent none is pinged. That is how gRPC keeps a connection's health apart from the deadlines of its calls.
 */
export class PingedLiveness implements Liveness {
  heard = 0;
  readonly #options: PingedLivenessOptions;
  #silences = 0;
  /** What it had sent when it was silent the last time. */
  #heardAtSilence = -1;
  /** Calls that time out together learn from one ping. */
  #ping: { verdict: Promise<boolean>; atMs: number } | undefined;
  /** What those learn from that run out of time while it is under way: the ping after it. */
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

  /** One silence, however many calls wait to hear of it. */
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
      // A server behind a URL that refuses a ping is there.
      return this.heard !== before || typeof status === "number" && status < 500;
    }
  }

  #silent(patienceMs: number): void {
    this.#silences = this.heard === this.#heardAtSilence ? this.#silences + 1 : 1;
    this.#heardAtSilence = this.heard;
    if (this.#silences < this.#options.maxSilences) return;
    this.#options.onsilent(
      `it has sent nothing while ${this.#silences} calls in a row ran out of time, and did not answer ping within ` +
        `${patienceMs} ms`,
    );
  }
}
