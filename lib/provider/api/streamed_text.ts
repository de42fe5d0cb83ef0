/** Deltas after which a stream whose every delta repeats the one before is taken to repeat the whole text. */
const MIN_REPEATS = 3;

/**
 * A text that arrives in parts. Some gateways send the whole text so far each time, or once more at the end, which would
 * double it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { StreamedText } from "./streamed_text.ts";
 *
 * const parts = new StreamedText();
 * for (const part of ["He", "llo"]) parts.add(part);
 * parts.replace("Hello.");
 * assertEquals(parts.value, "Hello.");
 *
 * const whole = new StreamedText();
 * for (const part of ["He", "Hell", "Hello"]) whole.add(part);
 * assertEquals(whole.value, "Hello");
 * ```
 */
export class StreamedText {
  value = "";
  #last = "";
  /** Deltas in a row, from the first one, that begin with the one before; -1 once one did not. */
  #repeats = 0;
  /** Whether all of it came in messages in place of deltas. */
  #isOfMessages = false;

  /** Adds a part. */
  add(part: string): void {
    if (part === "") return;
    this.#isOfMessages = false;
    this.#repeats = this.#repeats >= 0 && part.length > this.#last.length && part.startsWith(this.#last)
      ? this.#repeats + 1
      : -1;
    this.value = this.#repeats >= MIN_REPEATS ? part : this.value + part;
    // Comparing costs the length of the part before, which is short unless the parts repeat the text.
    this.#last = this.#repeats >= 0 ? part : "";
  }

  /** Takes `whole` as the complete text, unless it is empty. Messages that do not go on from one another are parts. */
  replace(whole: string): void {
    if (whole === "") return;
    const isPart = this.#isOfMessages && !whole.startsWith(this.value);
    if (this.value === "") this.#isOfMessages = true;
    this.value = isPart ? this.value + whole : whole;
  }
}
