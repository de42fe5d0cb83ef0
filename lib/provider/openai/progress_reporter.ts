import { SECOND_MS } from "../../base/units.ts";
import type { ChatOptions, ChatProgress } from "../provider.ts";
import type { CompletionReader } from "./completion_reader.ts";

/** How often a growing answer is told of, at most. */
const INTERVAL_MS = SECOND_MS / 4;

/** Tells how far one question to `who` has come. */
export class ProgressReporter {
  readonly #who: string;
  readonly #tell: ChatOptions["onProgress"];
  #phase: ChatProgress["phase"] | undefined;
  #toldAtMs = -Infinity;
  #chars = 0;

  constructor(who: string, tell: ChatOptions["onProgress"]) {
    this.#who = who;
    this.#tell = tell;
  }

  /** Tells of `answer` when its phase has changed or some time has passed. */
  received(answer: CompletionReader): void {
    if (this.#tell === undefined) return;
    this.#chars = answer.chars;
    const phase = answer.text === "" ? "thinking" : "answering";
    if (phase === this.#phase && performance.now() - this.#toldAtMs < INTERVAL_MS) return;
    const count = answer.chars === 0 ? "" : ` (${answer.chars.toLocaleString("en-US")} characters)`;
    this.#say(phase, `${this.#who} is ${phase}${count}`);
  }

  queued(): void {
    this.#say("queued", `waiting for a slot of ${this.#who}`);
  }

  sent(attempt: number): void {
    this.#say(
      "sent",
      attempt === 1 ? `asked ${this.#who}` : `asked ${this.#who} for the ${ordinal(attempt)} time`,
    );
  }

  searching(): void {
    this.#say("searching", `${this.#who} is searching the web`);
  }

  retrying(waitMs: number): void {
    this.#say("retrying", `${this.#who} is busy; asking again in ${(waitMs / SECOND_MS).toFixed(1)} s`);
  }

  #say(phase: ChatProgress["phase"], message: string): void {
    this.#phase = phase;
    this.#toldAtMs = performance.now();
    this.#tell?.({ phase, chars: this.#chars, message });
  }
}

function ordinal(n: number): string {
  return n === 2 ? "2nd" : n === 3 ? "3rd" : `${n}th`;
}
