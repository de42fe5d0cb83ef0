import type { JsonObject } from "../../lib/base/json.ts";
import type { ModelWindow, Sent } from "./window.ts";

/** How much later than its time-out a call may be given up, on a busy machine. */
const LATE_MS = 1800;

/** What is wrong with what came of one request: each has exactly one answer, and that is its own. */
export function faultsOf(window: ModelWindow, sent: Sent): string[] {
  const { answers, isCancelled, tag } = sent;
  const what = `${window.name}: ${sent.method} ${sent.mode ?? ""} ${sent.tag} of ${
    sent.server?.name ?? "all"
  }`;
  if (answers.length > 1) return [`${what} has ${answers.length} answers: ${JSON.stringify(answers)}`];
  if (answers.length === 0) return isCancelled ? [] : [`${what} has no answer`];
  const runs = sent.server?.runs.get(tag) ?? 0;
  if (runs > 1) return [`${what} ran ${runs} times`];
  const [answer] = answers as [JsonObject];
  if (sent.mode === "progress" && sent.isWhole && !answer.error && sent.progress.join() !== "1,2") {
    return [`${what} was told of progress ${sent.progress.join() || "never"}`];
  }
  return isRight(window, sent, answer) ? [] : [`${what} was answered ${JSON.stringify(answer)}`];
}

function isRight(window: ModelWindow, sent: Sent, answer: JsonObject): boolean {
  const { mode, tag, server, isCutOff, answeredAtMs, sentAtMs } = sent;
  const error = answer.error as { code: number; message: string; data?: JsonObject } | undefined;
  const limitMs = server?.callTimeoutMs;
  if (error && isCutOff) return true;
  // What waits behind a call that has no answer runs out of time with it.
  if (error && limitMs !== undefined && isTimeout(error)) return answeredAtMs - sentAtMs < limitMs + LATE_MS;
  if (mode === undefined) return error === undefined;
  if (mode === "fail") return error?.message.includes(`failed: ${tag}`) === true;
  if (error) return false;
  const text = textOf(answer);
  if (mode !== "ask" && mode !== "sample") return text === tag;
  // A question that cannot be attributed is refused, and its call is answered all the same. One of a process that a
  // single window has ever called is that window's.
  const mustBeAnswered = server!.alone.has(tag) && window.canBeAsked;
  return text === tag || text === `unanswered: ${tag}` && !mustBeAnswered;
}

function isTimeout({ data }: { data?: JsonObject }): boolean {
  return data?.code === "TIMEOUT";
}

function textOf({ result }: JsonObject): string | undefined {
  return (result as { content?: { text: string }[] }).content?.[0]?.text;
}
