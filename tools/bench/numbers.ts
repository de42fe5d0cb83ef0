import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { createInterface } from "node:readline";
import { fromFileUrl } from "@std/path";
import { messageOf } from "../../lib/base/errors.ts";
import { isObject } from "../../lib/base/json.ts";
import { commandFor } from "../lib/programs.ts";
import { type Command, Spawned } from "../lib/spawned.ts";
import { parseExact, writeExact } from "./exact_json.ts";
import { NUMBERS_TEXT, PROGRESS_TEXT, SCHEMA_TEXT, TOKENS } from "./numbers_sample.ts";
import { REVISION } from "./stdio_window.ts";

/** Each thing that is passed on, and how: "exact", or what was seen in its place. */
export type NumberChecks = Record<(typeof NUMBER_CHECKS)[number], string>;

export const NUMBER_CHECKS = ["arguments", "result", "error", "list", "progress", "ids"] as const;

export const EXACT = "exact";

/** The server whose numbers are looked at. */
export const NUMBERS_SERVER: Command = commandFor(fromFileUrl(new URL("numbers_server.ts", import.meta.url)));

const START_MS = 30_000;
const POLL_MS = 50;
const ANSWER_MS = 5000;

/** Starts a window by `command`, before {@linkcode NUMBERS_SERVER}, and looks at what is passed on. */
export async function checkNumbers(command: Command): Promise<NumberChecks> {
  await using child = new Spawned(command);
  const lines = new Lines(child);
  const clientInfo = { name: "exai-bench", version: "1" };
  const params = JSON.stringify({ protocolVersion: REVISION, capabilities: {}, clientInfo });
  await lines.ask("1", `"method":"initialize","params":${params}`, START_MS);
  lines.write('"method":"notifications/initialized"');
  const tool = await findTool(lines);
  const call = (more: string) => `"method":"tools/call","params":{"name":"${tool.name}",${more}}`;
  const answer = await lines.ask("3", call(`"arguments":${NUMBERS_TEXT}`));
  return {
    arguments: compare(
      NUMBERS_TEXT,
      () => parseExact(String(memberOf(answer, "result", "content", 0, "text"))),
    ),
    result: compare(NUMBERS_TEXT, () => memberOf(answer, "result", "structuredContent")),
    error: await attempt(async () => {
      const failed = await lines.ask("4", call('"arguments":{"fails":true}'));
      return changeOf(NUMBERS_TEXT, memberOf(failed, "error", "data"));
    }),
    list: compare(SCHEMA_TEXT, () => memberOf(tool, "inputSchema")),
    progress: await attempt(() => progressChange(lines, call)),
    ids: await attempt(() => idChange(lines, call)),
  };
}

/** The tool as it is listed, once it is: what is shared may have answered before its server did. */
async function findTool(lines: Lines): Promise<{ name: string }> {
  for (const untilMs = performance.now() + START_MS; performance.now() < untilMs; await delay(POLL_MS)) {
    const list = await lines.ask("2", '"method":"tools/list"', START_MS);
    const tools = memberOf(list, "result", "tools") as { name: string }[];
    const tool = tools.find(({ name }) => name === "numbers" || name.endsWith("__numbers"));
    if (tool) return tool;
  }
  throw new Error("the tool of the server is not listed");
}

async function progressChange(lines: Lines, call: (more: string) => string): Promise<string | undefined> {
  for (const [i, token] of TOKENS.entries()) {
    lines.told = [];
    await lines.ask(String(10 + i), call(`"arguments":{},"_meta":{"progressToken":${token}}`));
    const told = lines.told.find((line) => line.includes('"notifications/progress"'));
    if (told === undefined) return `no progress for ${token}`;
    const change = textChange(told, "progressToken", token) ??
      changeOf(`{${PROGRESS_TEXT}}`, memberOf(parseExact(told), "params"));
    if (change) return change;
  }
}

async function idChange(lines: Lines, call: (more: string) => string): Promise<string | undefined> {
  for (const id of TOKENS) {
    const line = await lines.request(id, call('"arguments":{}'), ANSWER_MS);
    const change = textChange(line, "id", id);
    if (change) return change;
  }
}

/** What became of `"key":sent` in a line, to the character. */
function textChange(line: string, key: string, sent: string): string | undefined {
  const came = new RegExp(`"${key}":("(?:[^"\\\\]|\\\\.)*"|[^,}]+)`).exec(line)?.[1];
  return came === sent ? undefined : `${sent} became ${came}`;
}

/** What of the JSON `sent` came otherwise; members that came beside it are left out of account. */
export function changeOf(sent: string, came: unknown): string | undefined {
  return changeWithin(parseExact(sent), came);
}

function changeWithin(sent: unknown, came: unknown): string | undefined {
  const isWhole = !isObject(sent) || JSON.stringify(sent)[0] !== "{";
  if (isWhole) {
    const [before, after] = [writeExact(sent), writeExact(came)];
    return before === after ? undefined : `${before} became ${after}`;
  }
  if (!isObject(came)) return `an object became ${writeExact(came)}`;
  for (const [key, value] of Object.entries(sent)) {
    const change = changeWithin(value, came[key]);
    if (change) return change;
  }
}

function compare(sent: string, came: () => unknown): string {
  try {
    return changeOf(sent, came()) ?? EXACT;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

async function attempt(look: () => Promise<string | undefined>): Promise<string> {
  return await look().catch(messageOf) ?? EXACT;
}

function memberOf(value: unknown, ...path: (string | number)[]): unknown {
  return path.reduce((found, key) => (found as Record<string | number, unknown> | undefined)?.[key], value);
}

/** Lines of JSON to and from a child, one request at a time. */
class Lines {
  /** What came besides answers. */
  told: string[] = [];
  readonly #child: Spawned;
  #waiting: PromiseWithResolvers<string> | undefined;

  constructor(child: Spawned) {
    this.#child = child;
    createInterface({ input: child.child.stdout }).on("line", (line) => this.#take(line));
    child.exited.then((how) => this.#waiting?.reject(new Error(how + child.lastWords)));
  }

  write(members: string): void {
    this.#child.child.stdin.write(`{"jsonrpc":"2.0",${members}}\n`);
  }

  /** Sends a request and gives the line of its answer. */
  async request(id: string, members: string, timeoutMs: number): Promise<string> {
    this.#waiting = Promise.withResolvers();
    this.write(`"id":${id},${members}`);
    return await deadline(this.#waiting.promise, timeoutMs).catch((thrown: unknown) => {
      const isLate = thrown instanceof DOMException && thrown.name === "TimeoutError";
      throw isLate ? new Error(`no answer to the id ${id} within ${timeoutMs / 1000} s`) : thrown;
    });
  }

  async ask(id: string, members: string, timeoutMs = ANSWER_MS): Promise<unknown> {
    return parseExact(await this.request(id, members, timeoutMs));
  }

  #take(line: string): void {
    const message = line.startsWith("{") ? parseExact(line) : undefined;
    if (!isObject(message)) return;
    if (message.method !== undefined || message.id === undefined) this.told.push(line);
    else this.#waiting?.resolve(line);
  }
}
