import { isObject, type Json, type JsonObject, parseJson, textOf } from "../base/json.ts";
import { CLOSE, type CloseCode } from "../wire/codes.ts";
import { type ChallengeOp, type CommandOp, type Hello, parseOp } from "../wire/ops.ts";
import { rawObject } from "../wire/raw_object.ts";
import { readClientText } from "../wire/raw_reader.ts";
import { readRequestId } from "../wire/rpc.ts";
import { shapeFault } from "../wire/shape.ts";

/** A frame that may be the first of a connection. */
export type FirstFrame = Hello | ChallengeOp | CommandOp;

const FIRST_OPS = ["hello", "challenge", "request"];

/** Reads the frame that opens a connection; returns the close code for an invalid one. */
export function parseFirstFrame(text: string): FirstFrame | CloseCode {
  if (shapeFault(text) !== undefined) return CLOSE.helloExpected;
  const frame = parseJson(text);
  if (!isObject(frame) || !FIRST_OPS.includes(textOf(frame.op) ?? "")) return CLOSE.helloExpected;
  try {
    return parseOp(withExactIds(frame, text)) as FirstFrame;
  } catch {
    return CLOSE.invalidHello;
  }
}

/** `frame`, parsed from `text`, with all digits of the ids that its client waits for. */
function withExactIds(frame: JsonObject, text: string): JsonObject {
  const { resume } = frame;
  if (!isObject(resume) || !Array.isArray(resume.waiting) || !resume.waiting.some(isRounded)) return frame;
  const list = readClientText(rawObject(text)?.objectAt("resume")?.textOf("waiting") ?? "");
  if (list.kind !== "batch" || list.texts.length !== resume.waiting.length) return frame;
  return { ...frame, resume: { ...resume, waiting: list.texts.map((id) => readRequestId(id) as Json) } };
}

function isRounded(id: Json): boolean {
  return typeof id === "number" && !Number.isSafeInteger(id);
}
