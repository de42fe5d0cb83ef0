// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { deadline } from "@std/async/deadline";
import { messageOf } from "../../lib/base/errors.ts";
import { VERSION } from "../../lib/base/version.ts";
import { endTree, gone } from "../lib/end_tree.ts";
import { hold, isEnding } from "../lib/held.ts";
import { firstText, OpClient } from "../lib/op_client.ts";
import { type Command } from "../lib/spawned.ts";

const STEP_MS = 10_000;
const START_MS = 40_000;
const END_MS = 5000;

/** What one client saw. */
export interface Seen {
  client: string;
  /** Set apart from other clients by the daemon; unknown for a shim. */
  session?: string;
  tools: number;
  /** First line of what the tool `version` says. */
  version: string;
  elapsedMs: number;
}

export interface Server {
  url: string;
  token?: string;
}

/** One client of the EXAI ops: hello, list_tools, version. */
export async function overWebSocket(client: string, server: Server): Promise<Seen> {
  const startedMs = performance.now();
  using ops = await step(`${client}: connect`, OpClient.connect(server.url));
  const ack = await step(`${client}: hello`, ops.hello(server.token));
  const list = await step(`${client}: list_tools`, ops.ask({ op: "list_tools" }));
  if (!Array.isArray(list.tools)) throw new Error(`${client}: list_tools gave ${JSON.stringify(list)}`);
  const reply = await step(`${client}: version`, ops.call("version"));
  if (reply.error || reply.is_error) throw new Error(`${client}: version gave ${JSON.stringify(reply)}`);
  return {
    client,
    session: ack.session_id,
    tools: list.tools.length,
    version: firstLine(firstText(reply.outputs)),
    elapsedMs: performance.now() - startedMs,
  };
}

/** The SDK's own client through one shim: initialize, tools/list, version. The shim is gone when it resolves. */
export async function throughShim(client: string, shim: Command): Promise<Seen> {
  const startedMs = performance.now();
  const transport = new StdioClientTransport({
    command: shim.command,
    args: [...shim.args],
    env: { ...Deno.env.toObject(), ...shim.env },
    stderr: "pipe",
  });
  let said = "";
  transport.stderr?.on("data", (chunk) => said = (said + chunk).slice(-2048));
  const mcp = new Client({ name: "exai-smoke", version: VERSION });
  await using _shim = hold("process", () => endShim(mcp, transport));
  try {
    await step(`${client}: initialize`, mcp.connect(transport), START_MS);
    const { tools } = await step(`${client}: tools/list`, mcp.listTools());
    const result = await step(`${client}: version`, mcp.callTool({ name: "version" }));
    if (result.isError) throw new Error(`${client}: version gave ${JSON.stringify(result)}`);
    const version = firstLine(firstText(result.content));
    return { client, tools: tools.length, version, elapsedMs: performance.now() - startedMs };
  } catch (thrown) {
    const lastLine = said.trim().split("\n").at(-1);
    throw new Error(messageOf(thrown) + (lastLine ? `; the shim said: ${lastLine}` : ""));
  }
}

async function endShim(mcp: Client, transport: StdioClientTransport): Promise<void> {
  const { pid } = transport;
  // With all below it: it may be starting the daemon.
  if (isEnding() && pid !== null) return await endTree(pid, { graceMs: 0 });
  await deadline(mcp.close(), END_MS).catch(() => {});
  if (pid === null || (await gone([pid], END_MS)).length === 0) return;
  await endTree(pid);
  throw new Error(`the shim (process ${pid}) did not end with its stdin`);
}

/** `work`, named in its failure, within a time. */
async function step<T>(name: string, work: Promise<T>, timeoutMs = STEP_MS): Promise<T> {
  try {
    return await deadline(work, timeoutMs);
  } catch (thrown) {
    const isLate = thrown instanceof DOMException && thrown.name === "TimeoutError";
    throw new Error(`${name}: ${isLate ? `no answer within ${timeoutMs / 1000} s` : messageOf(thrown)}`);
  }
}

// A tool of EXAI answers with an object in JSON whose `content` is for the reader.
function firstLine(text: string): string {
  let content: unknown;
  try {
    content = JSON.parse(text).content;
  } catch {
    // The tools of other servers answer with plain text.
  }
  return String(content ?? text).split("\n", 1)[0]!.trim();
}
