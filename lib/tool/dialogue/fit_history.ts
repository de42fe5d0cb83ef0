import type { Usage } from "../../provider/provider.ts";
import type { Cost } from "../../provider/provider_status.ts";
import { estimateTokens } from "../../provider/token_estimate.ts";
import {
  type DialogueExchange,
  type History,
  type HistorySummary,
  writeHistory,
  writeStandIn,
} from "./history.ts";
import type { Summary } from "./summarise.ts";

interface FitOptions {
  /** Tokens there are for the conversation and for files. */
  spaceTokens: number;
  /** Writes a summary; undefined when no model is there for it. */
  summarise(conversation: string): Promise<Summary | undefined>;
}

/** A conversation that fits, and what was done to it. */
export interface FittedHistory {
  history: History;
  /** How many exchanges are left out. */
  leftOut: number;
  /** What stands for them, to be stored with the answer, so that they are not summarised again. */
  summary?: HistorySummary;
  /** What a summary that was written now took. */
  usage?: Usage;
  cost?: Cost;
}

/** The share of the space that a conversation may take before its oldest exchanges are left out. */
const MAX_SHARE = 0.8;

/** What is kept of it then: less, so that the next questions find room. */
const KEPT_SHARE = 0.4;

/** The share for steps that have had no answer, of which the latest are kept. */
const UNANSWERED_SHARE = 0.2;

/** The share of a summary. */
const SUMMARY_SHARE = 0.1;

/** A token has this many characters at least, in most texts. */
const CHARS_PER_TOKEN = 3;

/** Leaves out the oldest exchanges of a conversation that outgrows `spaceTokens`, with a summary or a note instead. */
export async function fitHistory(history: History, options: FitOptions): Promise<FittedHistory> {
  const { spaceTokens } = options;
  const sizes = await sizesOf(history);
  if (sizes.all <= spaceTokens * MAX_SHARE) return { history, leftOut: 0 };
  const unanswered = newestOf(
    history.unanswered,
    Math.floor(spaceTokens * UNANSWERED_SHARE * CHARS_PER_TOKEN),
  );
  const leftOut = countToLeaveOut(history, sizes, spaceTokens);
  if (leftOut === 0) return { history: { ...history, unanswered }, leftOut };
  const summary = await summaryOf(history.exchanges.slice(0, leftOut), history, options);
  const earlier = writeStandIn(leftOut, {
    summary,
    whyLeftOut: "for they do not fit",
    earlier: history.earlier ?? "",
    maxChars: spaceTokens * SUMMARY_SHARE * CHARS_PER_TOKEN,
  });
  return {
    history: { exchanges: history.exchanges.slice(leftOut), unanswered, earlier },
    leftOut,
    summary: summary && { text: summary.text, by: summary.by, throughMs: summary.throughMs },
    usage: summary?.usage,
    cost: summary?.cost,
  };
}

/** The tokens of a conversation. */
interface HistorySizes {
  exchanges: readonly number[];
  /** All but the exchanges. */
  other: number;
  all: number;
}

async function sizesOf({ exchanges, earlier = "", unanswered }: History): Promise<HistorySizes> {
  const each = await Promise.all(
    exchanges.map(({ user, assistant }) => estimateTokens(`${user}\n${assistant}`)),
  );
  const other = await estimateTokens(`${earlier}\n${unanswered}`);
  return { exchanges: each, other, all: each.reduce((sum, size) => sum + size, other) };
}

/** Those that a summary covers already, if what came since fits beside it; else so many that the next ones fit too. */
function countToLeaveOut(
  { exchanges, summary }: History,
  { exchanges: sizes, other }: HistorySizes,
  spaceTokens: number,
): number {
  const covered = summary ? exchanges.filter(({ atMs }) => atMs <= summary.throughMs).length : 0;
  const since = sizes.slice(covered).reduce((sum, size) => sum + size, other + spaceTokens * SUMMARY_SHARE);
  if (covered > 0 && since <= spaceTokens * MAX_SHARE) return covered;
  return exchanges.length - newestWithin(sizes, spaceTokens * KEPT_SHARE);
}

/** How many of the last `sizes` fit into `tokens` together. */
function newestWithin(sizes: readonly number[], tokens: number): number {
  let left = tokens;
  const first = sizes.findLastIndex((size) => (left -= size) < 0);
  return sizes.length - first - 1;
}

/** The end of `text`, with a note where something is missing. */
export function newestOf(text: string, maxChars: number): string {
  return text.length <= maxChars
    ? text
    : `[The beginning does not fit and is left out.]\n${text.slice(-maxChars)}`;
}

async function summaryOf(
  dropped: readonly DialogueExchange[],
  { earlier = "", summary: known }: History,
  { summarise }: FitOptions,
): Promise<(HistorySummary & Pick<FittedHistory, "usage" | "cost">) | undefined> {
  const throughMs = dropped.at(-1)!.atMs;
  if (known?.throughMs === throughMs) return known;
  const rest = known ? dropped.filter(({ atMs }) => atMs > known.throughMs) : dropped;
  const conversation = { earlier: known?.text ?? earlier, exchanges: rest, unanswered: "" };
  const written = await summarise(writeHistory(conversation).join("\n\n"));
  return written && { ...written, throughMs };
}
