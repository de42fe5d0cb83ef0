import type { JsonObject } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import type { Thread, Turn } from "./thread_store.ts";

/** A thread as a page of Markdown. */
export function writeTranscript(thread: Thread, turns: readonly Turn[]): string {
  const { id, tool, title, createdAtMs, usedAtMs } = thread;
  const head = [
    `# ${visible(title || tool)}`,
    "",
    `- thread: ${id}`,
    `- begun with: ${visible(tool)}`,
    `- from ${isoTime(createdAtMs)} to ${isoTime(usedAtMs)}`,
  ];
  return `${[...head, ...turns.flatMap(writeTurn)].join("\n")}\n`;
}

function writeTurn({ tool, step, request, reply, atMs }: Turn): string[] {
  const branch = step?.branch ? ` of ${visible(step.branch)}` : "";
  const place = step === undefined ? "" : `, step ${step.number}${branch}`;
  const head = ["", `## ${tool}${place} (${isoTime(atMs)})`];
  const answer = reply === undefined ? [] : [`**${reply.model ?? "Answer"}:**`, replyText(reply)];
  return [...head, ...[...requestTexts(request), ...answer].flatMap((text) => ["", text])];
}

function requestTexts({ prompt, step, text, findings }: JsonObject): string[] {
  const texts = [prompt ?? step ?? text, findings ? `Findings: ${findings}` : undefined];
  return texts.flatMap((text) => text === undefined || text === "" ? [] : [String(text)]);
}

function replyText({ content }: JsonObject): string {
  return typeof content === "string" ? content : JSON.stringify(content, null, 2);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
