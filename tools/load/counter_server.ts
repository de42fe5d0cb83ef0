/**
 * An MCP server on stdio that writes down each execution of its tools, with the label of the call, before it answers:
 * the witness of what has run. Started with the path of its record.
 */
import { delay } from "@std/async/delay";
import type { JsonObject } from "../../lib/base/json.ts";

const [recordPath = ""] = Deno.args;
const encoder = new TextEncoder();
// Appending writes of one short line are atomic, so that two processes may share a record for a moment.
const record = Deno.openSync(recordPath, { append: true, create: true });
Deno.writeTextFileSync(`${recordPath}.pid`, String(Deno.pid));

const inputSchema = {
  type: "object",
  properties: { label: { type: "string" }, delayMs: { type: "number" }, bytes: { type: "number" } },
  required: ["label"],
};
const TOOLS = [
  { name: "count", description: "Runs at most once", inputSchema },
  { name: "look", description: "May run again", inputSchema, annotations: { readOnlyHint: true } },
];

function say(message: JsonObject): void {
  const bytes = encoder.encode(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}

async function run(id: JsonObject[string], args: JsonObject): Promise<void> {
  const { label, delayMs = 0, bytes = 0 } = args as { label: string; delayMs?: number; bytes?: number };
  record.writeSync(encoder.encode(`${label}\n`));
  if (delayMs > 0) await delay(delayMs);
  say({ id, result: { content: [{ type: "text", text: `ran ${label} ${"x".repeat(bytes)}` }] } });
}

function answer({ id, method, params }: JsonObject): void {
  if (id === undefined) return;
  const { protocolVersion, arguments: args } = (params ?? {}) as JsonObject;
  switch (method) {
    case "initialize": {
      const serverInfo = { name: "counter", version: "1" };
      return say({ id, result: { protocolVersion, capabilities: { tools: {} }, serverInfo } });
    }
    case "tools/list":
      return say({ id, result: { tools: TOOLS } });
    case "tools/call":
      return void run(id, args as JsonObject);
    case "ping":
      return say({ id, result: {} });
    default:
      return say({ id, error: { code: -32601, message: `there is no ${method}` } });
  }
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) if (line.trim() !== "") answer(JSON.parse(line));
}
