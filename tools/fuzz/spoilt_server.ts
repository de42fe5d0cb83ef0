/** An MCP server on stdio that writes the lines it is given beside its answers: what a broken server says. */
import type { JsonObject } from "../../lib/base/json.ts";
import { answerTo } from "./broken_server.ts";

const encoder = new TextEncoder();

function answer(message: JsonObject): void {
  if (message.id === undefined || message.method === undefined) return;
  const { arguments: args } = (message.params ?? {}) as JsonObject;
  const { frames = [], at = 0 } = (args ?? {}) as { frames?: string[]; at?: number | null };
  const lines = [...frames];
  if (at !== null) lines.splice(at, 0, JSON.stringify(answerTo(message)));
  const bytes = encoder.encode(lines.join("\n") + "\n");
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) if (line.trim() !== "") answer(JSON.parse(line));
}
