import { assertLess, assertMatch } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { HealingServer } from "../helpers/healing_server.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { saidBy, sdkClient, textOf } from "../helpers/sdk_client.ts";

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

/** A server in Python that writes its answers as `say(text)` of the test does. */
function writing(say: string, more: JsonObject = {}): JsonObject {
  const program = `import json, sys
def say(text):
    ${say}
    sys.stdout.flush()
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    result = {"content": [{"type": "text", "text": "pong"}]}
    if m["method"] == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
    elif m["method"] == "tools/list":
        result = {"tools": [{"name": "plain", "inputSchema": {"type": "object"}}]}
    say(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}))
`;
  const command = Deno.build.os === "windows" ? "python" : "python3";
  return { command, args: ["-c", program], share: "machine", ...more };
}

for (
  const [how, say, told] of [
    [
      "behind Content-Length headers",
      'sys.stdout.write("Content-Length: %d\\r\\n\\r\\n%s" % (len(text), text))',
      /^pong$/,
    ],
    ["without a newline", "sys.stdout.write(text)", /^pong$/],
    [
      "as plain text",
      'print("I am not JSON")',
      // Where the program itself is slow to start the whole start is out of time.
      /(did not answer \S+|was not ready) within 4000 ms; .*"I am not JSON".*must write one JSON message a line/,
    ],
  ] as const
) {
  Deno.test(`a stdio server that writes its answers ${how} is understood, or told what it must write`, async () => {
    await using it = await mountingDaemon({
      odd: writing(say, how === "as plain text" ? { startTimeoutMs: 4000 } : {}),
    });
    assertMatch(await saidBy(`${it.url}mcp/odd`, "plain"), told);
  });
}

Deno.test("an answer nested millions of levels deep holds up nobody else, and is no answer", async () => {
  let body: (id: unknown) => string;
  await using server = new HealingServer({
    answer({ id, method }) {
      if (method !== "tools/call") return undefined;
      return new Response(body(id), { headers: { "content-type": "application/json" } });
    },
  });
  await using it = await mountingDaemon({ deep: { url: server.url } });
  const client = await sdkClient(`${it.url}mcp/deep`);
  const deep = nested(4_000_000);
  const bodies: ((id: unknown) => string)[] = [
    (id) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{"a":${deep}}}}`,
    (id) => `{"jsonrpc":"2.0","id":${id},"error":{"code":1,"message":"no","data":${deep}}}`,
    () => deep,
  ];
  for (body of bodies) {
    const before = performance.now();
    const said = await client.callTool({ name: "write", arguments: {} }).then(textOf, String);
    assertMatch(said!, /server "deep" sent a malformed answer: it is nested deeper than 4096 levels/);
    // Parsed and written anew it takes some ten times as long.
    assertLess(performance.now() - before, 3000);
  }
  await client.close();
});
