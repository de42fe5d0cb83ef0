import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { messageOf } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { type Command, Spawned } from "../lib/spawned.ts";
import { type Answer, StdioClient } from "./stdio_client.ts";
import type { Exchange, Window } from "./subject.ts";

const START_MS = 30_000;
const POLL_MS = 50;

/** The revision that every subject speaks. */
export const REVISION = "2025-06-18";

/** What each request of the modern era says of its client (MCP 2026-07-28, basic, per-request protocol fields). */
const CLAIM = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "exai-bench", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** Which tool a window calls, and how. */
export interface ToolCall {
  /** Revision 2026-07-28: a claim on each request and no `initialize`. */
  isModern?: boolean;
  /** Picks the tool among the names the server lists. */
  pick: (names: readonly string[]) => string | undefined;
  /** The argument that carries the text; undefined when the tool takes none. */
  textArgument?: string;
}

/** The `echo` of server-everything, whatever stands before its name. */
export const ECHO: ToolCall = {
  pick: (names) => names.find((name) => name === "echo" || name.endsWith("__echo")),
  textArgument: "message",
};

/** The `version` of EXAI. */
export const VERSION_TOOL: ToolCall = { pick: (names) => names.find((name) => name === "version") };

/** A tool that the server does not list. */
export class NoSuchTool extends Error {}

/**
 * Starts `command` as a client would and says `initialize`.
 *
 * @throws {NoSuchTool} when it does not list the tool
 */
export async function openStdioWindow(command: Command, call: ToolCall): Promise<Window> {
  const startedMs = performance.now();
  const child = new Spawned(command);
  try {
    const client = new StdioClient(child);
    await deadline(call.isModern ? discover(client) : initialize(client), START_MS);
    const initializedMs = performance.now();
    if (!call.isModern) client.notify("notifications/initialized");
    let tool = await deadline(findTool(client, call), START_MS);
    const startMs = {
      initialize: initializedMs - startedMs,
      firstList: performance.now() - startedMs,
      isListed: tool !== undefined,
    };
    // What is shared may have answered before its server did, which comes with a later list.
    while (tool === undefined && performance.now() - startedMs < START_MS) {
      await delay(POLL_MS);
      tool = await deadline(findTool(client, call), START_MS);
    }
    if (tool === undefined) throw new NoSuchTool("the tool is not listed");
    return {
      roots: [child.pid],
      startMs,
      exchange: (payloadBytes) => exchange(client, { tool, call, payloadBytes }),
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    };
  } catch (thrown) {
    await child[Symbol.asyncDispose]();
    if (thrown instanceof NoSuchTool) throw thrown;
    throw new Error(`${command.args.at(-1) ?? command.command}: ${messageOf(thrown)}${child.lastWords}`);
  }
}

async function initialize(client: StdioClient): Promise<void> {
  const clientInfo = { name: "exai-bench", version: "1" };
  const params = { protocolVersion: REVISION, capabilities: {}, clientInfo };
  resultOf(await client.request(restOf("initialize", params)));
}

async function discover(client: StdioClient): Promise<void> {
  resultOf(await client.request(restOf("server/discover", { _meta: CLAIM })));
}

async function findTool(client: StdioClient, { pick, isModern }: ToolCall): Promise<string | undefined> {
  const { tools } = resultOf(await client.request(restOf("tools/list", isModern ? { _meta: CLAIM } : {})));
  return pick((tools as JsonObject[]).map(({ name }) => String(name)));
}

function exchange(
  client: StdioClient,
  { tool, call, payloadBytes }: { tool: string; call: ToolCall; payloadBytes: number | undefined },
): Exchange {
  const text = sampleText(payloadBytes ?? 5);
  const args = call.textArgument ? { [call.textArgument]: text } : {};
  const claim = call.isModern ? { _meta: CLAIM } : {};
  const rest = restOf("tools/call", { name: tool, arguments: args, ...claim });
  const minBytes = call.textArgument ? text.length : 1;
  return async () => {
    const answer = await client.request(rest);
    if (answer.message) resultOf(answer);
    if (answer.bytes < minBytes) throw new Error(`the answer holds ${answer.bytes} bytes, not ${minBytes}`);
  };
}

function resultOf({ message }: Answer): JsonObject {
  const result = message?.result as JsonObject | undefined;
  if (result === undefined || result.isError === true) {
    throw new Error(`answered with ${JSON.stringify(message?.error ?? result).slice(0, 300)}`);
  }
  return result;
}

function restOf(method: string, params: JsonObject): string {
  return `"method":${JSON.stringify(method)},"params":${JSON.stringify(params)}}`;
}

/** Text such as tools carry: lines of a program, with quotes and newlines that JSON must escape. */
function sampleText(bytes: number): string {
  const line = 'const answer = await client.request("tools/call", { name, arguments });\n';
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
