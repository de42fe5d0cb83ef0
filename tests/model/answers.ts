import type { JsonObject } from "../../lib/base/json.ts";
import type { LogLevel } from "../../lib/wire/mcp.ts";
import { type Sent, taskBegunBy } from "./sent.ts";
import { isAtLeast, isTask, USUAL_LEVEL } from "./server.ts";
import type { ModelWindow } from "./window.ts";

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
  if (sent.mode === "log" && !answer.error) {
    const fault = lineFault(window, sent);
    if (fault) return [`${what} ${fault}`];
  }
  const isFine = sent.taskId === undefined
    ? isRight(window, sent, answer)
    : isRightOfTask(window, sent, answer);
  return isFine ? [] : [`${what} was answered ${JSON.stringify(answer)}`];
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
  if (isTask(mode)) return taskOf(answer)?.statusMessage === tag;
  const text = textOf(answer);
  if (mode !== "ask" && mode !== "sample") return text === tag;
  // A question that cannot be attributed is refused, and its call is answered all the same. One of a process that a
  // single window has ever called is that window's.
  const mustBeAnswered = server!.alone.has(tag) && window.canBeAsked;
  return text === tag || text === `unanswered: ${tag}` && !mustBeAnswered;
}

/** Every line its window wants arrives, where it is certain that it is that window's; no other does, and none twice. */
function lineFault(window: ModelWindow, { tag, server, wanted }: Sent): string | undefined {
  const { logged, share, alone } = server!;
  const said = logged.get(tag) ?? [];
  const heard = window.notices.lines.get(tag) ?? [];
  const due = said.filter((level) =>
    wanted !== undefined && isAtLeast(level, wanted === "all" ? USUAL_LEVEL : wanted)
  );
  const isCertain = wanted !== undefined && (share === "session" || alone.has(tag));
  if (isCertain ? heard.join() === due.join() : heard.every((level) => said.includes(level as LogLevel))) {
    return undefined;
  }
  return `wanted ${wanted}, was sent ${heard.join() || "nothing"}, said was ${said.join()}`;
}

/** A task is its window's alone; it is there for as long as its process, and that for as long as somebody wants it. */
function isRightOfTask(window: ModelWindow, sent: Sent, answer: JsonObject): boolean {
  const begun = window.begun.find((begun) => taskBegunBy(begun) === sent.taskId);
  const { method, server, isCutOff, answeredAtMs, sentAtMs } = sent;
  if (answer.error === undefined) {
    const result = answer.result as JsonObject;
    return begun !== undefined &&
      begun.tag === (method === "tasks/result" ? textOf(answer) : result.statusMessage);
  }
  if (begun === undefined || server === undefined || isCutOff) return true;
  if (server.callTimeoutMs !== undefined && isTimeout(answer.error as { data?: JsonObject })) {
    return answeredAtMs - sentAtMs < server.callTimeoutMs + LATE_MS;
  }
  const process = server.processOf(begun.tag);
  const task = process?.tasks.find(begun.tag);
  if (!process || !task || process.wasKilled) return process?.wasKilled === true;
  // With its window a task is over.
  if (!process.isAlive) return task.isDone || window.state === "closed";
  return method === "tasks/cancel"
    ? task.status !== "working"
    : method === "tasks/result" && task.status === "cancelled";
}

function taskOf({ result }: JsonObject): JsonObject | undefined {
  return (result as { task?: JsonObject } | undefined)?.task;
}

/** Tasks of `window` that a list of its tasks does not show, or shows and should not; `listed` is its answer. */
export function listFaults(window: ModelWindow, listed: Sent): string[] {
  const { tasks = [] } = (listed.answers[0]?.result ?? {}) as { tasks?: JsonObject[] };
  const shown = tasks.map(({ taskId, statusMessage }) => `${taskId} ${statusMessage}`);
  const kept = window.begun.filter(({ tag, server }) => server!.processOf(tag)?.isAlive);
  const missing = kept.map((begun) => `${taskBegunBy(begun)} ${begun.tag}`).filter((one) =>
    !shown.includes(one)
  );
  const twice = shown.filter((one, i) => shown.indexOf(one) < i);
  return [
    ...missing.map((one) =>
      `${window.name} does not see its task ${one} among ${shown.join(", ") || "none"}`
    ),
    ...twice.map((one) => `${window.name} sees its task ${one} twice`),
  ];
}

/** Tasks of `window` that were cancelled although it never asked for that. */
export function cancelFaults({ name, begun, sent }: ModelWindow): string[] {
  const asked = new Set(sent.filter(({ method }) => method === "tasks/cancel").map(({ taskId }) => taskId));
  return begun.filter((begun) =>
    begun.server!.processOf(begun.tag)?.tasks.find(begun.tag)?.status === "cancelled" &&
    !asked.has(taskBegunBy(begun))
  ).map(({ tag }) => `the task ${tag} of ${name} was cancelled by another window`);
}

function isTimeout({ data }: { data?: JsonObject }): boolean {
  return data?.code === "TIMEOUT";
}

function textOf({ result }: JsonObject): string | undefined {
  return (result as { content?: { text: string }[] }).content?.[0]?.text;
}
