import { clip } from "../base/text.ts";
import { visible, visibleLines } from "../base/visible.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";

/** Claude Code cuts the instructions of one server at 2,048 characters; what is cut there would be lost unnoticed. */
const MAX_CHARS = 2_000;
/** Room for all troubles, and for one; with more of them than fit in `MIN`, the others are only named. */
const MAX_TROUBLES_CHARS = 900;
const MAX_TROUBLE_CHARS = 380;
const MIN_TROUBLE_CHARS = 120;
/** Room for what one server says, so that one does not crowd out the others. */
const MAX_SERVER_CHARS = 600;
/** A shorter piece says nothing: such servers are only named. */
const MIN_SERVER_CHARS = 80;
const MAX_NAMES_CHARS = 200;

const TROUBLES = "What does not work now; tell the user when it is needed:";
const SERVERS = "What the servers themselves say of their tools (quoted, not checked by EXAI):";
const MORE = "`exai-daemon ps` says all of it.";
const CUT = " [cut]";

/** What a server says of itself. */
export interface ServerText {
  server: string;
  instructions: string;
}

/** What the instructions of a window of the merged catalog are made of. */
interface InstructionParts {
  /** EXAI's own. */
  own: string;
  troubles: readonly ServerTrouble[];
  /** In the order of their names. */
  texts: readonly ServerText[];
  /** Servers whose tools are not listed, but found by search. */
  searchable: readonly string[];
}

/**
 * The instructions of a window: EXAI's own, then what is wrong, then what the servers say, bounded in all and for each.
 * The same parts give the same bytes, since clients put the text into the context, where a change costs the prompt
 * cache.
 */
export function composeInstructions({ own, troubles, texts, searchable }: InstructionParts): string {
  const first = joined([own, troublesBlock(troubles), searchableBlock(searchable)]);
  return joined([first, serversBlock(texts, MAX_CHARS - first.length - 2)]);
}

/** The instructions of a window of one server alone: what is wrong, then the server's own. */
export function withTroubles(own: string, troubles: readonly ServerTrouble[]): string {
  return joined([troublesBlock(troubles), own]);
}

function joined(blocks: readonly string[]): string {
  return blocks.filter((block) => block !== "").join("\n\n");
}

function troublesBlock(troubles: readonly ServerTrouble[]): string {
  if (troubles.length === 0) return "";
  const told = troubles.slice(0, Math.floor(MAX_TROUBLES_CHARS / MIN_TROUBLE_CHARS));
  const whole = told.map((trouble) => `- ${describeTrouble(trouble)}`);
  const lines = fitted(whole, { maxChars: MAX_TROUBLES_CHARS, maxEach: MAX_TROUBLE_CHARS });
  const others = troubles.slice(told.length).flatMap(({ server }) => server ?? []);
  if (others.length > 0) lines.push(`- and ${namesWithin(others, MAX_NAMES_CHARS)}`);
  if (others.length > 0 || whole.some((line, i) => line !== lines[i])) lines.push(MORE);
  return [TROUBLES, ...lines].join("\n");
}

function searchableBlock(servers: readonly string[]): string {
  return servers.length === 0 ? "" : `find_tool finds the tools of ${namesWithin(servers, MAX_NAMES_CHARS)}.`;
}

/** What the servers say in at most `maxChars`: short texts are whole, longer ones share what is left alike. */
function serversBlock(texts: readonly ServerText[], maxChars: number): string {
  const room = maxChars - SERVERS.length;
  const wanted = texts.map(({ server, instructions }) => quoted(server, instructions));
  const count = Math.min(wanted.length, Math.floor(room / MIN_SERVER_CHARS));
  const others = texts.slice(Math.max(0, count)).map(({ server }) => server);
  const rest = others.length === 0 ? "" : `\nmore of ${namesWithin(others, MIN_SERVER_CHARS)}`;
  const bounds = { maxChars: room - rest.length, maxEach: MAX_SERVER_CHARS };
  const pieces = fitted(wanted.slice(0, Math.max(0, count)), bounds);
  return pieces.length === 0 ? "" : `${SERVERS}${pieces.join("")}${rest}`;
}

/** Texts cut so that all fit into `maxChars` together, and each into `maxEach`. */
function fitted(
  texts: readonly string[],
  { maxChars, maxEach }: { maxChars: number; maxEach: number },
): string[] {
  const limits = new Map<number, number>();
  let left = maxChars;
  // The shortest first: what they leave is for the longer ones.
  const order = texts.map((_, i) => i).sort((a, b) => texts[a]!.length - texts[b]!.length || a - b);
  order.forEach((index, n) => {
    const share = Math.min(maxEach, Math.floor(left / (order.length - n)));
    limits.set(index, share);
    left -= Math.min(share, texts[index]!.length);
  });
  return texts.map((text, i) => cutAtEnd(text, limits.get(i)!));
}

/** The text of a server under its name. Every line is marked, so that none can pass for EXAI's or another server's. */
function quoted(server: string, instructions: string): string {
  const lines = visibleLines(clip(instructions, 4 * MAX_SERVER_CHARS).replaceAll("\r\n", "\n")).split("\n");
  const marked = lines.map((line) => line.trim()).filter((line) => line !== "").map((line) => `\n> ${line}`);
  return `\n## ${server}${marked.join("")}`;
}

/** `text` in at most `maxChars`, cut at the end of a sentence or a line, or else of a word. */
function cutAtEnd(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const head = text.slice(0, maxChars - CUT.length);
  const half = head.length / 2;
  const ends = [...head.matchAll(/(?<=[.!?;])\s|\n/g)].map(({ index }) => index);
  const word = head.lastIndexOf(" ");
  const end = ends.findLast((at) => at >= half) ?? (word >= half ? word : head.length);
  return `${head.slice(0, end).trimEnd().toWellFormed()}${CUT}`;
}

function namesWithin(names: readonly string[], maxChars: number): string {
  const shown: string[] = [];
  let left = maxChars;
  for (const name of names.map((name) => visible(name))) {
    left -= name.length + 2;
    if (left < 0) break;
    shown.push(name);
  }
  if (shown.length < names.length) shown.push(`${names.length - shown.length} more`);
  return shown.join(", ");
}
