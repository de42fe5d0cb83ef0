import { SECOND_MS } from "../../base/units.ts";
import type { ChatOptions, ChatProgress } from "../provider.ts";
import type { AnswerReader } from "./answer_reader.ts";

/** The shortest interval between reports of a growing answer. */
const REPORT_INTERVAL_MS = SECOND_MS / 4;

/** Reports the progress of one request to a model. */
export class ProgressReporter {
  readonly #model: string;
  readonly #onProgress: ChatOptions["onProgress"];
  #phase: ChatProgress["phase"] | undefined;
  #reportedAtMs = -Infinity;
  #chars = 0;

  constructor(model: string, onProgress: ChatOptions["onProgress"]) {
    this.#model = model;
    this.#onProgress = onProgress;
  }

  /** Reports a part of the answer, if the phase changed or the interval has passed. */
  received(answer: AnswerReader): void {
    if (this.#onProgress === undefined) return;
    this.#chars = answer.chars;
    const phase = answer.text === "" ? "thinking" : "answering";
    if (phase === this.#phase && performance.now() - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    const count = answer.chars === 0 ? "" : ` (${answer.chars.toLocaleString("en-US")} characters)`;
    this.#report(phase, `${this.#model} is ${phase}${count}`);
  }

  queued(): void {
    this.#report("queued", `waiting for a slot of ${this.#model}`);
  }

  sent(attempt: number): void {
    this.#report(
      "sent",
      attempt === 1 ? `asked ${this.#model}` : `asked ${this.#model} for the ${ordinal(attempt)} time`,
    );
  }

  searching(): void {
    this.#report("searching", `${this.#model} is searching the web`);
  }

  retrying(waitMs: number): void {
    this.#report("retrying", `${this.#model} is busy; asking again in ${(waitMs / SECOND_MS).toFixed(1)} s`);
  }

  #report(phase: ChatProgress["phase"], message: string): void {
    this.#phase = phase;
    this.#reportedAtMs = performance.now();
    this.#onProgress?.({ phase, chars: this.#chars, message });
  }
}

function ordinal(n: number): string {
  return n === 2 ? "2nd" : n === 3 ? "3rd" : `${n}th`;
}
