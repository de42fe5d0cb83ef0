/**
 * A mounted server with one tool, `echo`, that answers as fast as a program can: what is measured is EXAI. With the
 * argument `modern` it speaks MCP 2026-07-28 alone, otherwise the revisions before it.
 */
const isModern = Deno.args[0] === "modern";

/** What only results of the modern era have. */
const STAMP = isModern ? { resultType: "complete" } : {};
const KEPT = isModern ? { ttlMs: 3_600_000, cacheScope: "public" } : {};

const ECHO_TOOL = {
  name: "echo",
  inputSchema: { type: "object", properties: { message: { type: "string" } }, required: ["message"] },
};

const encoder = new TextEncoder();

interface Request {
  id?: number | string;
  method?: string;
  params?: { arguments?: { message?: string }; protocolVersion?: string };
}

function resultOf({ method, params }: Request): unknown {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "fast", version: "1" },
      };
    case "tools/list":
      return { ...STAMP, ...KEPT, tools: [ECHO_TOOL] };
    case "tools/call":
      return { ...STAMP, content: [{ type: "text", text: `Echo: ${params?.arguments?.message}` }] };
    case "server/discover":
      return { ...STAMP, ...KEPT, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
    default:
      return STAMP;
  }
}

function answer(line: string): void {
  const request: Request = JSON.parse(line);
  if (request.id === undefined || request.method === undefined) return;
  const isRefused = request.method === (isModern ? "initialize" : "server/discover");
  const body = isRefused
    ? { error: { code: -32601, message: `${request.method} is not of this era` } }
    : { result: resultOf(request) };
  const response = { jsonrpc: "2.0", id: request.id, ...body };
  let rest = encoder.encode(JSON.stringify(response) + "\n");
  while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

let parts: string[] = [];
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = chunk.split("\n");
  const rest = lines.pop()!;
  for (const end of lines) {
    answer(parts.join("") + end);
    parts = [];
  }
  parts.push(rest);
}
