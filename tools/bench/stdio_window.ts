import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { messageOf } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { type Command, Spawned } from "../lib/spawned.ts";
import { type Answer, StdioClient } from "./stdio_client.ts";
import type { Exchange, Window } from "./subject.ts";

const START_MS = 30_000;
const LISTED_MS = 5000;
const LIST_AGAIN_MS = 100;

/** The revision that every subject speaks. */
const REVISION = "2025-06-18";

/** Which tool a window calls, and how. */
export interface ToolCall {
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
    await deadline(initialize(client), START_MS);
    const initializeMs = performance.now() - startedMs;
    client.notify("notifications/initialized");
    const tool = await deadline(findTool(client, call), START_MS);
    return {
      roots: [child.pid],
      initializeMs,
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

/** The daemon lists a server's tools once that has started, which takes long on a busy machine. */
async function findTool(client: StdioClient, { pick }: ToolCall): Promise<string> {
  for (const untilMs = performance.now() + LISTED_MS;;) {
    const { tools } = resultOf(await client.request(restOf("tools/list", {})));
    const names = (tools as JsonObject[]).map(({ name }) => String(name));
    const found = pick(names);
    if (found !== undefined) return found;
    if (performance.now() > untilMs) throw new NoSuchTool(`the tool is not among ${names.join(", ")}`);
    await delay(LIST_AGAIN_MS);
  }
}

function exchange(
  client: StdioClient,
  { tool, call, payloadBytes }: { tool: string; call: ToolCall; payloadBytes: number | undefined },
): Exchange {
  const text = sampleText(payloadBytes ?? 5);
  const args = call.textArgument ? { [call.textArgument]: text } : {};
  const rest = restOf("tools/call", { name: tool, arguments: args });
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
