import { HOSTILE_TEXTS, LONG_TEXTS, ODD_IDS } from "./texts.ts";

/** Numbers from 0 to 1. */
export type Random = () => number;

/** Words of the protocol and its implementation, in places where they do not belong. */
const WORDS = ["id", "result", "error", "notifications/cancelled", "exai-shim-1", ...HOSTILE_TEXTS];

/** As JSON text: some are what a parser takes and a program stumbles over. */
const RAW_VALUES = [
  "null",
  "true",
  "0",
  "-0",
  "1.5",
  "-1",
  "1e999",
  "-1e999",
  "1e-999",
  "9007199254740993",
  "123456789012345678901234567890",
  '""',
  '"1"',
  "[]",
  "{}",
  "[[]]",
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '"\\ud800"',
  '"\\u0000"',
];

/** Every kind of frame there is, as it should be; `$` stands for a fresh id, `%` for a name. */
const CORPUS = [
  '{"jsonrpc":"2.0","id":$,"method":"ping"}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/list","params":{}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"throws","arguments":{}}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"steps","arguments":{},"_meta":{"progressToken":"p"}}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"asks","arguments":{}}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"none","arguments":{}}}',
  '{"jsonrpc":"2.0","id":$,"method":"prompts/list"}',
  '{"jsonrpc":"2.0","id":$,"method":"prompts/get","params":{"name":"p"}}',
  '{"jsonrpc":"2.0","id":$,"method":"resources/list"}',
  '{"jsonrpc":"2.0","id":$,"method":"resources/read","params":{"uri":"exai://x"}}',
  '{"jsonrpc":"2.0","id":$,"method":"resources/subscribe","params":{"uri":"exai://x"}}',
  '{"jsonrpc":"2.0","id":$,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"b"}}}',
  '{"jsonrpc":"2.0","id":$,"method":"logging/setLevel","params":{"level":"debug"}}',
  '{"jsonrpc":"2.0","id":$,"method":"tasks/get","params":{"taskId":"t"}}',
  '{"jsonrpc":"2.0","id":$,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"f","version":"1"}}}',
  '{"jsonrpc":"2.0","id":$,"method":"server/discover"}',
  '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":$,"reason":"r"}}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$,"progress":1}}',
  '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}',
  '{"jsonrpc":"2.0","id":$,"result":{}}',
  '{"jsonrpc":"2.0","id":"exai-1","error":{"code":-1,"message":"m"}}',
  '{"op":"list_tools"}',
  '{"op":"call_tool","request_id":$,"name":"echo","arguments":{"text":"t"},"timeout_ms":5000}',
  '{"op":"cancel","request_id":$}',
  '{"op":"received","answers":3}',
  '{"op":"health"}',
  '{"op":"rotate_token","old":"a","new":"b"}',
  '{"op":"challenge","nonce":"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"}',
  '{"op":"hello","session_id":"s","client":{"name":"c"},"cwd":"/","resume":{"token":"t","waiting":[1,"2"]}}',
] as const;

/** The same with names of others in every place where one can stand. */
const NAMED = [
  '{"jsonrpc":"2.0","id":$,"method":%,"params":{}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":%,"arguments":{%:1}}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"echo","arguments":{"text":%},"_meta":{"progressToken":%}}}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/call","params":{"name":"steps","arguments":{},"_meta":{"progressToken":%}}}',
  '{"jsonrpc":"2.0","id":$,"method":"prompts/get","params":{"name":%,"arguments":{%:%}}}',
  '{"jsonrpc":"2.0","id":$,"method":"resources/read","params":{"uri":%}}',
  '{"jsonrpc":"2.0","id":$,"method":"resources/subscribe","params":{"uri":%}}',
  '{"jsonrpc":"2.0","id":$,"method":"resources/unsubscribe","params":{"uri":%}}',
  '{"jsonrpc":"2.0","id":$,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":%},"argument":{"name":%,"value":%}}}',
  '{"jsonrpc":"2.0","id":$,"method":"logging/setLevel","params":{"level":%}}',
  '{"jsonrpc":"2.0","id":$,"method":"tasks/get","params":{"taskId":%}}',
  '{"jsonrpc":"2.0","id":$,"method":"tasks/cancel","params":{"taskId":%}}',
  '{"jsonrpc":"2.0","id":$,"method":"initialize","params":{"protocolVersion":%,"capabilities":{%:{}},"clientInfo":{"name":%,"version":%,"title":%}}}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%,"reason":%}}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%,"progress":1,"message":%}}',
  '{"jsonrpc":"2.0","method":%}',
  '{"jsonrpc":"2.0","id":%,"result":{%:%}}',
  '{"jsonrpc":"2.0","id":$,"error":{"code":-1,"message":%,"data":%}}',
  '{"op":%,"request_id":$}',
  '{"op":"call_tool","request_id":$,"name":%,"arguments":{%:%}}',
  '{"op":"cancel","request_id":%}',
  '{"op":"hello","session_id":%,"client":{"name":%,"version":%},"cwd":%,"resume":{"token":%,"waiting":[%]}}',
] as const;

const KEYS = [
  "id",
  "method",
  "params",
  "jsonrpc",
  "op",
  "request_id",
  "name",
  "arguments",
  "result",
  "error",
  "_meta",
];

/** A frame that has grown beyond this is left as it is. */
const MAX_CHARS = 500;

type Mutation = (text: string, random: Random) => string;

const MUTATIONS: readonly Mutation[] = [
  // A value replaced by one of another kind, a name or text by another.
  (text, random) => replaceValue(text, pick(RAW_VALUES, random), random),
  (text, random) => replaceText(text, pick(random() < 0.5 ? KEYS : WORDS, random), random),
  (text, random) => replaceText(text, pick(WORDS, random), random),
  // A member given twice, or one more.
  (text, random) =>
    text.replace(
      "{",
      `{${JSON.stringify(pick(random() < 0.7 ? KEYS : WORDS, random))}:${pick(RAW_VALUES, random)},`,
    ),
  (text, random) =>
    text.replace(/\}$/, `,${JSON.stringify(pick(KEYS, random))}:${pick(RAW_VALUES, random)}}`),
  // Cut off, begun late, a piece doubled, a character changed.
  (text, random) => text.slice(0, Math.floor(random() * text.length)),
  (text, random) => text.slice(Math.floor(random() * text.length)),
  (text, random) => {
    const [from, to] = [random() * text.length, random() * text.length];
    return text.slice(0, to) + text.slice(from);
  },
  (text, random) => {
    const at = Math.floor(random() * text.length);
    return text.slice(0, at) + String.fromCharCode(Math.floor(random() ** 3 * 65_536)) + text.slice(at + 1);
  },
  // Batches, nesting, space.
  (text) => `[${text},${text}]`,
  (text, random) => nest(text, 1 + Math.floor(random() ** 24 * 5000), random() < 0.5),
  (text, random) => text.replace(/:/, `:${" \t\r\n".repeat(1 + Math.floor(random() * 4))}`),
];

/** Makes frames from a corpus of good ones, changed in every way that has ever hurt a parser or what stands behind it. */
export class FrameMaker {
  readonly #random: Random;
  #id = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): string {
    const random = this.#random;
    let text = random() < 0.25 ? this.#named() : pick(CORPUS, random).replace("$", this.#freshId());
    // Three in ten stay as they are, so that there is work under way when the others come.
    for (let more = random(); more > 0.3 && text.length < MAX_CHARS; more = random()) {
      text = pick(MUTATIONS, random)(text, random);
    }
    return text;
  }

  #named(): string {
    const random = this.#random;
    const name = () =>
      JSON.stringify(random() < 0.002 ? pick(LONG_TEXTS, random) : pick(HOSTILE_TEXTS, random));
    // Given as functions: in a text `$` would mean something to `replace`.
    return pick(NAMED, random).replace("$", () => this.#freshId()).replaceAll("%", name);
  }

  // Now and then one that is in use, or odd.
  #freshId(): string {
    const random = this.#random;
    if (random() < 0.03) return pick(ODD_IDS, random);
    const id = random() < 0.1 ? Math.floor(random() * this.#id) : this.#id++;
    return random() < 0.5 ? String(id) : `"${id}"`;
  }
}

export function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!;
}

/** Cheap rather than exact: where a value ends in a text that holds a comma does not matter here. */
function replaceValue(text: string, value: string, random: Random): string {
  const colon = text.indexOf(":", random() * text.length);
  if (colon < 0) return text;
  let end = colon + 1;
  while (end < text.length && !",}]".includes(text[end]!)) end++;
  return text.slice(0, colon + 1) + value + text.slice(end);
}

function replaceText(text: string, by: string, random: Random): string {
  const open = text.indexOf('"', random() * text.length);
  const close = text.indexOf('"', open + 1);
  if (open < 0 || close < 0) return text;
  return text.slice(0, open) + JSON.stringify(by) + text.slice(close + 1);
}

function nest(text: string, depth: number, inArrays: boolean): string {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return text;
  const [open, close] = inArrays ? ["[", "]"] : ['{"params":', "}"];
  return `${text.slice(0, colon + 1)}${open.repeat(depth)}1${close.repeat(depth)}}`;
}
