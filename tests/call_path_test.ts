import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { StdinWriter } from "../lib/process/stdin_writer.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";

const root = new URL("..", import.meta.url);

/** The files of the numbered list in docs/architecture.md, in its order. */
async function documentedStops(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("docs/architecture.md", root));
  const section = text.split("\n## ").find((part) => part.startsWith("The path of a call\n")) ?? "";
  return Array.from(section.matchAll(/^\d+\. `([^`]+)`/gm), ([, file]) => `lib/${file}`);
}

/** The files on the stack, the outermost first, each once. */
function filesOf(stack: string): string[] {
  const prefix = root.href + "lib/";
  const frames = Array.from(stack.matchAll(/(file:[^\s()]*):\d+:\d+/g), ([, file]) => file!);
  const files = frames.filter((file) => file.startsWith(prefix)).map((file) => file.slice(root.href.length));
  return [...new Set(files.reverse())];
}

Deno.test("a call of a mounted tool passes the files that docs/architecture.md lists, in that order", async () => {
  const stacks: string[] = [];
  const { stackTraceLimit } = Error;
  const { write } = StdinWriter.prototype;
  StdinWriter.prototype.write = function (line: string) {
    if (line.includes('"tools/call"')) stacks.push(new Error().stack ?? "");
    return write.call(this, line);
  };
  Error.stackTraceLimit = Infinity;
  try {
    await using daemon = await mountingDaemon({ files: bad("none") });
    using client = await RawClient.hello(daemon.url);
    const rpc = { jsonrpc: "2.0" };
    const protocol = { protocolVersion: "2025-11-25", clientInfo: { name: "t", version: "1" } };
    await client.ask({ ...rpc, id: 1, method: "initialize", params: { ...protocol, capabilities: {} } });
    client.send({ ...rpc, id: 2, method: "tools/list" });
    await client.nextWhere(({ id }) => id === 2);
    // The second call finds the server started.
    for (const id of [3, 4]) {
      client.send({ ...rpc, id, method: "tools/call", params: { name: "none_echo", arguments: {} } });
      const answer = await client.nextWhere((frame) => frame.id === id);
      assert(answer.result, JSON.stringify(answer));
    }
    await client.close();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    StdinWriter.prototype.write = write;
  }
  const documented = await documentedStops();
  assert(documented.length > 0 && documented.length <= 14, `${documented.length} stops are documented`);
  assertEquals(filesOf(stacks[1]!), documented);
  for (const file of documented) assert(await Deno.stat(fromFileUrl(new URL(file, root))));
});
