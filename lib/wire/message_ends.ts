import type { RequestEnvelope } from "./envelope.ts";
import { readRequestId, type RequestId } from "./rpc.ts";

/** What a forwarder needs to know of a message that it does not look into. */
type MessageEnds =
  | RequestEnvelope
  | { kind: "response"; id: RequestId; failed: boolean };

/** How much of a text is looked at. */
export const HEAD_CHARS = 512;
export const TAIL_CHARS = 320;

const VERSION = String.raw`"jsonrpc"\s*:\s*"2\.0"`;
// Longer strings are left out: a repeated alternation overflows the stack.
const ID = String.raw`"id"\s*:\s*(-?\d[\d.eE+-]{0,40}|"(?:[^"\\]|\\.){0,200}")`;
/** The members before the body, with the name that tells the kind. */
const HEAD = new RegExp(
  String.raw`^\s*\{\s*(?:${VERSION}\s*,\s*)?(?:${ID}\s*,\s*(?:${VERSION}\s*,\s*)?)?` +
    String
      .raw`"(?:(result|error)"\s*:|method"\s*:\s*"([^"\\]{1,200})"\s*,\s*(?:${VERSION}\s*,\s*)?(?:${ID}\s*,)?)`,
);
const LAST_ID = new RegExp(String.raw`${ID}\s*(?:,\s*${VERSION}\s*)?\}\s*$`, "y");
const COMMA_LAST = new RegExp(String.raw`,\s*(?:${VERSION}\s*,\s*)?$`);
const LAST_VERSION = new RegExp(String.raw`,\s*${VERSION}\s*\}\s*$`);
/** More than `LAST_VERSION` matches, white space aside. */
const VERSION_CHARS = 32;

/**
 * Reads a message by its ends, of which `head` and `tail` hold at least {@linkcode HEAD_CHARS} and
 * {@linkcode TAIL_CHARS}, or all. What it says is exact for valid JSON without two members of one name: a quote after a
 * comma begins a name, and what ends at the last brace is the message.
 *
 * @returns undefined where the ends do not tell
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readEnds } from "./message_ends.ts";
 *
 * const text = '{"method":"tools/call","params":{},"jsonrpc":"2.0","id":7}';
 * assertEquals(readEnds(text, text), { kind: "request", id: 7, method: "tools/call" });
 * ```
 */
export function readEnds(head: string, tail: string): MessageEnds | undefined {
  const found = HEAD.exec(head);
  if (!found) return undefined;
  const [, first, body, method, second] = found;
  const idText = first ?? second ?? lastId(tail)?.text;
  const id = idText === undefined ? undefined : readId(idText);
  if (id === undefined) return undefined;
  return body === undefined
    ? { kind: "request", id, method: method! }
    : { kind: "response", id, failed: body === "error" };
}

/** The members of a response without its version and id, which stand at the ends of `text`: `"result":…}`. */
export function bodyBetweenEnds(text: string): string | undefined {
  const head = HEAD.exec(text.slice(0, HEAD_CHARS));
  if (head?.[2] === undefined) return undefined;
  const [start, idText, name] = head;
  const tail = text.slice(-TAIL_CHARS);
  const end = (idText === undefined ? lastId(tail)?.at : lastVersion(tail)) ?? tail.length;
  const ends = start + tail.slice(end);
  if (!ends.includes('"jsonrpc"') || (idText === undefined && end === tail.length)) return undefined;
  const from = start.lastIndexOf(`"${name}"`);
  return end === tail.length ? text.slice(from) : `${text.slice(from, end - tail.length)}}`;
}

/** The id that is among the last members, and where the comma before those is. */
function lastId(tail: string): { text: string; at: number } | undefined {
  const at = tail.lastIndexOf('"id"');
  if (at < 0) return undefined;
  LAST_ID.lastIndex = at;
  const text = LAST_ID.exec(tail)?.[1];
  const comma = text === undefined ? null : COMMA_LAST.exec(tail.slice(Math.max(0, at - VERSION_CHARS), at));
  return comma === null ? undefined : { text: text!, at: at - comma[0].length };
}

function lastVersion(tail: string): number | undefined {
  const at = tail.length - VERSION_CHARS;
  const found = LAST_VERSION.exec(tail.slice(-VERSION_CHARS));
  return found ? Math.max(0, at) + found.index : undefined;
}

function readId(text: string): RequestId | undefined {
  try {
    return readRequestId(text);
  } catch {
    // Not JSON, and so the message is none either.
    return undefined;
  }
}
