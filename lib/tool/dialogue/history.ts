import type { Json, JsonObject } from "../../base/json.ts";
import type { Turn } from "../../state/thread_store.ts";
import type { SentFile } from "../material/attachment.ts";

/** What a thread keeps of a model's answer. */
interface StoredReply extends JsonObject {
  /** The answer in full. */
  content: string;
  model?: string;
  provider?: string;
  /** The files the model was shown, as `{path, hash}`. */
  files?: Json[];
}

/** A question of the past and its answer. */
export interface DialogueExchange {
  user: string;
  assistant: string;
  /** The files that went with the question. */
  files: readonly SentFile[];
}

/** What was said in a thread so far. */
export interface History {
  exchanges: readonly DialogueExchange[];
  /** What was reported since and no model has answered. */
  unanswered: string;
}

export const NO_HISTORY: History = { exchanges: [], unanswered: "" };

/** The turns of a thread as a conversation: steps that no model answered go with the next question. */
export function toHistory(turns: readonly Turn[]): History {
  const exchanges: DialogueExchange[] = [];
  let pending: string[] = [];
  for (const turn of turns) {
    pending.push(describeRequest(turn));
    const reply = turn.reply as StoredReply | undefined;
    if (typeof reply?.content !== "string") continue;
    exchanges.push({ user: pending.join("\n\n"), assistant: reply.content, files: filesOf(reply) });
    pending = [];
  }
  return { exchanges, unanswered: pending.join("\n\n") };
}

function describeRequest({ tool, step, request }: Turn): string {
  if (typeof request.prompt === "string") return request.prompt;
  const head = step === undefined ? `[${tool}]` : `[${tool}, step ${step.number}]`;
  return [`${head} ${request.step ?? ""}`, request.findings].filter((part) => typeof part === "string").join(
    "\n",
  );
}

function filesOf({ files = [] }: StoredReply): SentFile[] {
  return files as unknown as SentFile[];
}

/** The files shown in `exchanges`, latest first, each once. */
export function filesShown(exchanges: readonly DialogueExchange[]): string[] {
  const paths = exchanges.toReversed().flatMap(({ files }) => files.map(({ path }) => path));
  return [...new Set(paths)];
}
