/**
 * A mounted server that reads and writes numbers as they are written, with one tool, `numbers`: its answer holds the
 * arguments as text, numbers of the server's own, or an error with them. A call with a progress token is told of progress.
 */
import { createInterface } from "node:readline";
import process from "node:process";
import { parseExact, writeExact } from "./exact_json.ts";
import { NUMBERS_TEXT, PROGRESS_TEXT, SCHEMA_TEXT } from "./numbers_sample.ts";

interface Request {
  id?: unknown;
  method?: string;
  params?: {
    protocolVersion?: string;
    arguments?: { fails?: boolean };
    _meta?: { progressToken?: unknown };
  };
}

const TOOL = `{"name":"numbers","inputSchema":${SCHEMA_TEXT}}`;

function say(rest: string): void {
  process.stdout.write(`{"jsonrpc":"2.0",${rest}}\n`);
}

function answer({ id, method, params }: Request): void {
  const reply = (member: string) => say(`"id":${writeExact(id)},${member}`);
  switch (method) {
    case "initialize": {
      const { protocolVersion } = params ?? {};
      const serverInfo = { name: "numbers", version: "1" };
      return reply(
        `"result":${JSON.stringify({ protocolVersion, capabilities: { tools: {} }, serverInfo })}`,
      );
    }
    case "tools/list":
      return reply(`"result":{"tools":[${TOOL}]}`);
    case "tools/call":
      return call(params ?? {}, reply);
    default:
      return reply('"result":{}');
  }
}

function call(
  { arguments: args, _meta }: NonNullable<Request["params"]>,
  reply: (member: string) => void,
): void {
  if (_meta?.progressToken !== undefined) {
    const token = writeExact(_meta.progressToken);
    say(`"method":"notifications/progress","params":{"progressToken":${token},${PROGRESS_TEXT}}`);
  }
  if (args?.fails) return reply(`"error":{"code":-32000,"message":"as asked","data":${NUMBERS_TEXT}}`);
  const text = JSON.stringify(writeExact(args));
  reply(`"result":{"content":[{"type":"text","text":${text}}],"structuredContent":${NUMBERS_TEXT}}`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = parseExact(line, ["id", "progressToken"]) as Request;
  if (request.id !== undefined && request.method !== undefined) answer(request);
}
