import { trimStartOf } from "../../base/text.ts";

/** The tags in which local models and gateways leave thoughts; a slash or `end` makes one a closing tag. */
const TAG =
  /<(\/?)(?:think|thinking|thoughts?|reasoning|seed:think)>|\[(\/?)THINK\]|◁(\/?)think▷|<\|(begin|end)_of_thought\|>/gi;

/** Where the answer of gpt-oss begins, if its server leaves its channels in the text. */
const FINAL_CHANNEL = "<|channel|>final<|message|>";

/** A token of a chat template. */
const TEMPLATE_TOKEN = /<\|(?:channel|message|start|end|return|im_end|endoftext|eot_id|eom_id)\|>/g;

/** Template tokens that a server left at the end of the text. */
const END_TOKENS = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<|return|>", "<end_of_turn>"];

/** Code within a line that names a tag is short. */
const MAX_CODE_CHARS = 200;

const QUOTES = "`'\"";

/** Thoughts separated from an answer. */
interface SplitAnswer {
  thoughts: string;
  text: string;
}

/**
 * Separates the thoughts that a server left in `text`: in tags, before a closing tag whose opening one is part of the
 * prompt template, or after an opening tag that is never closed. A tag in quotes or in code is a part of the answer, and so
 * are tags around a few words within a line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { splitThoughts } from "./thought_tags.ts";
 *
 * assertEquals(splitThoughts("Six by nine.</think>42."), { thoughts: "Six by nine.", text: "42." });
 * assertEquals(splitThoughts("Look for `</think>`."), { thoughts: "", text: "Look for `</think>`." });
 * ```
 */
export function splitThoughts(text: string): SplitAnswer {
  const final = text.lastIndexOf(FINAL_CHANNEL);
  if (final >= 0) {
    const thoughts = text.slice(0, final).replaceAll(TEMPLATE_TOKEN, " ").trim();
    return { thoughts, text: withoutEndTokens(text.slice(final + FINAL_CHANNEL.length)).trim() };
  }
  const kept: string[] = [];
  const thoughts: string[] = [];
  let copied = 0;
  let open: { at: number; end: number; depth: number } | undefined;
  for (const { at, end, closes } of tagsIn(text)) {
    if (!closes) {
      if (open === undefined) open = { at, end, depth: 1 };
      else open.depth++;
    } else if (open === undefined) {
      thoughts.push(...kept.splice(0), text.slice(copied, at));
      copied = end;
    } else if (--open.depth === 0) {
      const inner = text.slice(open.end, at);
      if (startsLine(text, open.at) || inner.includes("\n")) {
        kept.push(text.slice(copied, open.at));
        thoughts.push(inner);
        copied = end;
      }
      open = undefined;
    }
  }
  if (open !== undefined && startsLine(text, open.at)) {
    kept.push(text.slice(copied, open.at));
    thoughts.push(text.slice(open.end));
    copied = text.length;
  }
  const answer = withoutEndTokens(kept.join("") + text.slice(copied));
  return {
    thoughts: thoughts.map((one) => one.trim()).filter((one) => one !== "").join("\n\n"),
    text: copied === 0 ? answer : trimStartOf(answer, " \t\r\n"),
  };
}

/** The tags in `text` that are not in quotes or code. Each character is looked at once, however many tags there are. */
function* tagsIn(text: string): Generator<{ at: number; end: number; closes: boolean }> {
  let scanned = 0;
  let inFence = false;
  /** Whether a code within the line is open where the last tag stands. */
  let inCode = false;
  for (const tag of text.matchAll(TAG)) {
    const at = tag.index;
    const end = at + tag[0].length;
    const between = text.slice(scanned, at);
    if (between.split("\n```").length % 2 === 0) inFence = !inFence;
    const line = between.slice(between.lastIndexOf("\n") + 1);
    const hasOddTicks = line.split("`").length % 2 === 0;
    inCode = line.length < between.length ? hasOddTicks : inCode !== hasOddTicks;
    scanned = at;
    if (inFence || (inCode && endsCode(text, end)) || isQuoted(text, at, end)) continue;
    yield { at, end, closes: tag.slice(1).some((mark) => mark === "/" || mark === "end") };
  }
}

function isQuoted(text: string, at: number, end: number): boolean {
  const before = text[at - 1];
  return before !== undefined && QUOTES.includes(before) && text[end] === before;
}

/** Whether a code that is open at `at` ends soon, in the same line. */
function endsCode(text: string, at: number): boolean {
  const [line = ""] = text.slice(at, at + MAX_CODE_CHARS).split("\n", 1);
  return line.includes("`");
}

function startsLine(text: string, at: number): boolean {
  let start = at;
  while (start > 0 && (text[start - 1] === " " || text[start - 1] === "\t")) start--;
  return start === 0 || text[start - 1] === "\n";
}

function withoutEndTokens(text: string): string {
  let rest = text;
  for (let token; (token = END_TOKENS.find((one) => rest.trimEnd().endsWith(one))) !== undefined;) {
    rest = rest.trimEnd().slice(0, -token.length);
  }
  return rest;
}
