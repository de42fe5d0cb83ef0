/** A mounted server with one tool, `echo`, that answers as fast as a program can: what is measured is EXAI. */
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
      return { tools: [ECHO_TOOL] };
    case "tools/call":
      return { content: [{ type: "text", text: `Echo: ${params?.arguments?.message}` }] };
    default:
      return {};
  }
}

function answer(line: string): void {
  const request: Request = JSON.parse(line);
  if (request.id === undefined || request.method === undefined) return;
  const response = { jsonrpc: "2.0", id: request.id, result: resultOf(request) };
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
