import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { until } from "./helpers/until.ts";

const FEATURES = ["nudge", "lines", "bytes", "receipts"] as const;
type Asked = { [feature in (typeof FEATURES)[number]]?: boolean };

/** Each set of features a hello may ask for. */
const SETS: Asked[] = Array.from({ length: 2 ** FEATURES.length }, (_, set) => {
  return Object.fromEntries(FEATURES.flatMap((name, at) => set & 1 << at ? [[name, true]] : []));
});

const PING = { jsonrpc: "2.0", method: "ping" };

/** What a daemon sends a client that has asked for `features`, makes a large call, and then sends requests as bytes. */
async function told(url: string, features: Asked) {
  using client = await RawClient.connect(url);
  const messages: JsonObject[] = [];
  let binary = 0;
  let joined = 0;
  client.socket.binaryType = "arraybuffer";
  client.socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== "string") binary++;
    const lines = (typeof data === "string" ? data : new TextDecoder().decode(data).trimEnd()).split("\n");
    if (lines.length > 1) joined++;
    messages.push(...lines.map((line) => JSON.parse(line)));
  };
  client.send({ op: "hello", client: "test", resume: true, ...features });
  client.send({ ...PING, id: 1, method: "tools/call", params: { name: "large", arguments: { mib: 1 } } });
  await until("the large answer", () => messages.find(({ id }) => id === 1));
  client.socket.send(new TextEncoder().encode(JSON.stringify({ ...PING, id: 2 })));
  // No request, so one that is taken as bytes is returned unread.
  client.socket.send(new TextEncoder().encode(JSON.stringify({ ...PING, id: 3 }) + " x"));
  client.send({ ...PING, id: 4 });
  const isReply = ({ op, id }: JsonObject) => id === 2 || id === 4 || op === "returned" || op === "error";
  await until("all three are answered", () => messages.filter(isReply).length === 3 || undefined);
  await client.close();
  const ops = new Set(messages.map(({ op }) => op));
  return { ack: messages[0]!, binary, joined, ops, ids: messages.map(({ id }) => id) };
}

Deno.test("a client is sent what the answer to its hello grants, and nothing else", async (t) => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  for (const features of SETS) {
    await t.step(`asked for: ${Object.keys(features).join(", ") || "nothing"}`, async () => {
      const { ack, binary, joined, ops, ids } = await told(it.url, features);
      const { lines, bytes, receipts } = ack;
      assertEquals([lines, receipts], [features.lines, features.receipts]);
      assertEquals(bytes, features.bytes && features.receipts, "a returned message is named by its number");
      assertEquals(binary, bytes && lines ? 1 : 0, "frames of bytes");
      if (!lines) assertEquals(joined, 0);
      assertEquals(
        [ids.includes(2), ops.has("returned")],
        [bytes === true, bytes === true],
        "bytes it may send",
      );
      assertEquals([ops.has("error")], [bytes !== true], "and those it may not are refused");
      if (!receipts) assert(!ops.has("received"));
      if (!features.nudge) assert(!ops.has("nudge"));
    });
  }
});
