type TokenCounter = (text: string) => number;

/** The tokenizer is quadratic in the longest run without whitespace, so the text is counted in pieces. */
const PIECE_CHARS = 512;

/** Characters counted before yielding to the event loop: about 5 ms of work. */
const YIELD_AFTER_CHARS = 32_768;

let counter: Promise<TokenCounter> | undefined;

/**
 * Estimates the number of tokens in `text` with the vocabulary `o200k_base` of OpenAI's models. The vocabularies of
 * Kimi and GLM differ by a few percent for code and English and by more for other languages, so leave a margin.
 *
 * The vocabulary takes about 70 MB and is loaded on first use. Long texts are counted in slices, to keep the event loop
 * responsive.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimateTokens } from "./token_estimate.ts";
 *
 * assertEquals(await estimateTokens("Hello, world!"), 4);
 * ```
 */
export async function estimateTokens(text: string): Promise<number> {
  if (text === "") return 0;
  counter ??= loadCounter();
  const count = await counter;
  let tokens = 0;
  let yieldAt = YIELD_AFTER_CHARS;
  for (let start = 0; start < text.length;) {
    const end = pieceEnd(text, start);
    tokens += count(text.slice(start, end));
    start = end;
    if (start < yieldAt) continue;
    yieldAt = start + YIELD_AFTER_CHARS;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return tokens;
}

async function loadCounter(): Promise<TokenCounter> {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  // A source file may contain the names of control tokens: they are counted as plain text.
  return (piece) => countTokens(piece, { disallowedSpecial: new Set() });
}

/** Returns the end of the piece that starts at `start`: at whitespace if possible, to keep words whole. */
function pieceEnd(text: string, start: number): number {
  const limit = start + PIECE_CHARS;
  if (limit >= text.length) return text.length;
  for (let end = limit; end > limit - 64; end--) {
    if (/\s/.test(text[end]!) && !/\s/.test(text[end - 1]!)) return end;
  }
  // A surrogate pair stays whole.
  return /[\uD800-\uDBFF]/.test(text[limit - 1]!) ? limit - 1 : limit;
}
