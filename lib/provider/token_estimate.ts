/** Counts the tokens of a text. */
type Count = (text: string) => number;

/** The tokenizer takes time by the square of the longest run without a break, so no piece is longer. */
const PIECE_CHARS = 512;

/** Text counted in one go before others get their turn: some 5 ms. */
const TURN_CHARS = 32_768;

let loading: Promise<Count> | undefined;

/**
 * About how many tokens `text` has. Counted with the vocabulary `o200k_base` of OpenAI's models; those of Kimi and GLM
 * differ by some percent for code and English, by more for other languages, so leave a margin.
 *
 * The vocabulary takes some 70 MB, so it is loaded with the first text and not with the daemon. Long texts are counted
 * in turns, so that nothing else waits for them.
 */
export async function estimateTokens(text: string): Promise<number> {
  if (text === "") return 0;
  loading ??= load();
  const count = await loading;
  let tokens = 0;
  let turnEnd = TURN_CHARS;
  for (let start = 0; start < text.length;) {
    const end = pieceEnd(text, start);
    tokens += count(text.slice(start, end));
    start = end;
    if (start < turnEnd) continue;
    turnEnd = start + TURN_CHARS;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return tokens;
}

async function load(): Promise<Count> {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  // The names of control tokens are plain text here: a source file may hold them.
  return (piece) => countTokens(piece, { disallowedSpecial: new Set() });
}

/** Where the piece that begins at `start` ends: before the last word, so that words stay whole. */
function pieceEnd(text: string, start: number): number {
  const limit = start + PIECE_CHARS;
  if (limit >= text.length) return text.length;
  for (let end = limit; end > limit - 64; end--) {
    if (/\s/.test(text[end]!) && !/\s/.test(text[end - 1]!)) return end;
  }
  // Not between the halves of one character.
  return /[\uD800-\uDBFF]/.test(text[limit - 1]!) ? limit - 1 : limit;
}
