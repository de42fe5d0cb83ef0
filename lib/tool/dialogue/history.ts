import { isObject, type Json } from "../../base/json.ts";
import type { Turn } from "../../state/thread_store.ts";
import type { SentFile } from "../material/attachment.ts";

/** An earlier question and its answer. */
export interface DialogueExchange {
  user: string;
  assistant: string;
  /** The model that answered, as `provider/model`. */
  speaker: string;
  /** The files shown with the question. */
  files: readonly SentFile[];
  /** When it was stored; the exchanges of a thread are told apart by it. */
  atMs: number;
}

/** What stands for the oldest exchanges of a conversation. */
export interface HistorySummary {
  text: string;
  /** The model that wrote it. */
  by: string;
  /** The time of the last exchange that it covers. */
  throughMs: number;
}

/** The conversation of a thread so far. */
export interface History {
  exchanges: readonly DialogueExchange[];
  /** The steps since the last answer. */
  unanswered: string;
  /** What stands before the exchanges, for those that are left out. */
  earlier?: string;
  /** A summary of the oldest exchanges, written for an earlier question. */
  summary?: HistorySummary;
}

/** The tool of a turn that stands for turns the thread had no room for. */
export const CONDENSED = "condensed";

/** Who gave an answer that several models had a part in. */
export const SEVERAL_MODELS = "several models";

export const NO_HISTORY: History = { exchanges: [], unanswered: "" };

/** Converts the turns of a thread to a conversation. Unanswered steps become part of the next question. */
export function toHistory(turns: readonly Turn[]): History {
  const exchanges: DialogueExchange[] = [];
  let pending: string[] = [];
  const condensed = turns.filter(({ tool }) => tool === CONDENSED);
  for (const turn of turns) {
    if (turn.tool === CONDENSED) continue;
    pending.push(describeRequest(turn));
    const { content, files } = turn.reply ?? {};
    if (typeof content !== "string") continue;
    const { atMs } = turn;
    const said = { assistant: content, speaker: speakerIn(turn), files: toSentFiles(files), atMs };
    exchanges.push({ user: pending.join("\n\n"), ...said });
    pending = [];
  }
  return {
    exchanges,
    unanswered: pending.join("\n\n"),
    ...(condensed.length === 0 ? {} : { earlier: condensed.map(({ request }) => request.text).join("\n\n") }),
    summary: turns.findLast(({ reply }) => isObject(reply?.summary))?.reply?.summary as unknown as
      | HistorySummary
      | undefined,
  };
}

/** Who gave the answer of `turn`. Threads of earlier versions name the model as its provider did. */
function speakerIn({ reply }: Turn): string {
  const { speaker, provider, model } = reply ?? {};
  if (typeof speaker === "string") return speaker;
  return typeof model === "string" && typeof provider === "string" ? `${provider}/${model}` : SEVERAL_MODELS;
}

function describeRequest({ tool, step, request }: Turn): string {
  if (typeof request.prompt === "string") return request.prompt;
  const head = step === undefined ? `[${tool}]` : `[${tool}, step ${step.number}]`;
  return [`${head} ${request.step ?? ""}`, request.findings].filter((part) => typeof part === "string").join(
    "\n",
  );
}

function toSentFiles(files: Json | undefined): SentFile[] {
  return Array.isArray(files) ? files.filter(isSentFile) : [];
}

function isSentFile(value: Json): value is SentFile {
  return isObject(value) && typeof value.path === "string" && typeof value.hash === "string";
}

/** The parts of a conversation as texts in which everybody is named, oldest first. */
export function writeHistory({ earlier = "", exchanges, unanswered }: History): string[] {
  const said = exchanges.map(({ user, assistant, speaker }) => `User:\n${user}\n\n${speaker}:\n${assistant}`);
  return [earlier, ...said, unanswered].filter((part) => part !== "");
}

interface StandInOptions {
  /** Undefined if no model has summarised them. */
  summary: Pick<HistorySummary, "text" | "by"> | undefined;
  /** Why they are missing where there is no summary. */
  whyLeftOut: string;
  /** What stood for still older ones. */
  earlier: string;
  maxChars?: number;
}

/** What stands in a conversation for its `count` oldest exchanges. */
export function writeStandIn(
  count: number,
  { summary, whyLeftOut, earlier, maxChars }: StandInOptions,
): string {
  const note = summary === undefined ? `left out, ${whyLeftOut}` : `summarised by ${summary.by}`;
  const text = (summary?.text ?? earlier).slice(0, maxChars);
  return `[The ${count} oldest exchanges of this conversation are ${note}.]\n${text}`.trim();
}

/** Returns the files shown in `exchanges`, latest first, without duplicates. */
export function filesShown(exchanges: readonly DialogueExchange[]): SentFile[] {
  const byPath = new Map<string, SentFile>();
  for (const file of exchanges.toReversed().flatMap(({ files }) => files)) {
    const known = byPath.get(file.path);
    // Once it was named, it stays the caller's choice.
    byPath.set(file.path, { ...(known ?? file), named: known?.named === true || file.named === true });
  }
  return [...byPath.values()];
}
