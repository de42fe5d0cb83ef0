import { isObject, type Json } from "../../base/json.ts";
import type { Turn } from "../../state/thread_store.ts";
import type { SentFile } from "../material/attachment.ts";

/** An earlier question and its answer. */
export interface DialogueExchange {
  user: string;
  assistant: string;
  /** The files shown with the question. */
  files: readonly SentFile[];
}

/** The conversation of a thread so far. */
export interface History {
  exchanges: readonly DialogueExchange[];
  /** The steps since the last answer. */
  unanswered: string;
}

export const NO_HISTORY: History = { exchanges: [], unanswered: "" };

/** Converts the turns of a thread to a conversation. Unanswered steps become part of the next question. */
export function toHistory(turns: readonly Turn[]): History {
  const exchanges: DialogueExchange[] = [];
  let pending: string[] = [];
  for (const turn of turns) {
    pending.push(describeRequest(turn));
    const { content, files } = turn.reply ?? {};
    if (typeof content !== "string") continue;
    exchanges.push({ user: pending.join("\n\n"), assistant: content, files: toSentFiles(files) });
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

function toSentFiles(files: Json | undefined): SentFile[] {
  return Array.isArray(files) ? files.filter(isSentFile) : [];
}

function isSentFile(value: Json): value is SentFile {
  return isObject(value) && typeof value.path === "string" && typeof value.hash === "string";
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
