import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { textResult } from "../../lib/wire/mcp.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { eraEntry } from "../helpers/eras_matrix.ts";
import { FakeServer, toolsOf } from "../helpers/fake_server.ts";
import { modernRequest } from "../helpers/modern.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { postModern } from "../helpers/raw_modern.ts";
import { until } from "../helpers/until.ts";

const CAPABILITIES = { elicitation: { form: {} } };
const QUESTION = {
  message: "who?",
  requestedSchema: { type: "object", properties: { n: { type: "string" } } },
};
const ANSWERS = { n: { action: "accept", content: { n: "Ada" } } };

let lastId = 0;

/** Calls `name` as often at once, and returns the answers in the order they came. */
async function callAtOnce(client: RawClient, name: string, count: number, more: JsonObject[] = []) {
  for (let i = 0; i < count; i++) {
    const params = { name, arguments: {}, ...more[i] };
    client.send(modernRequest(++lastId, "tools/call", params, { capabilities: CAPABILITIES }));
  }
  return await Array.fromAsync({ length: count }, () => client.nextWhere(({ id }) => id !== undefined));
}

const resultOf = (answer: JsonObject) => (answer.result ?? {}) as JsonObject;
const isQuestion = (answer: JsonObject) => resultOf(answer).resultType === "input_required";

Deno.test({
  name: "of a thousand parked calls, half of them abandoned, nothing is left",
  timeout: 120_000,
  fn: async () => {
    let open = 0;
    const server = new FakeServer("asker", { tools: toolsOf("ask") });
    server.answer = async (call) => {
      open++;
      try {
        const { result } = await call.ask("elicitation/create", QUESTION);
        return { result: textResult(String(result?.action)) };
      } finally {
        open--;
      }
    };
    const settings = { sessionMaxInflight: 64, maxInflight: 64 };
    await using it = await testDaemon({ servers: [server], settings });
    for (let wave = 0; wave < 2; wave++) {
      const clients = await Promise.all(
        Array.from({ length: 32 }, () => RawClient.connect(it.url, ["mcp"])),
      );
      const answers = await Promise.all(clients.map((client) => callAtOnce(client, "ask", 32)));
      assertEquals(answers.flat().filter(isQuestion).length, 1000, JSON.stringify(answers[31]!.slice(-1)));
      assertEquals(open, 1000, "those beyond were answered");
      const ends = await Promise.all(clients.map(async (client, i) => {
        if (i % 2 === 0) return client.close();
        const asked = answers[i]!.filter(isQuestion);
        const retries = asked.map((answer) => ({
          requestState: resultOf(answer).requestState,
          inputResponses: ANSWERS,
        }));
        const results = await callAtOnce(client, "ask", retries.length, retries);
        await client.close();
        return results.filter((answer) => resultOf(answer).resultType === "complete").length - asked.length;
      }));
      assertEquals(new Set(ends.filter((end) => typeof end === "number")), new Set([0]));
      await until("every parked call to end", () => open === 0 || undefined);
    }
  },
});

Deno.test({
  name: "a daemon that was killed does not run the calls again that were parked, and says so",
  timeout: 60_000,
  fn: async () => {
    const home = await Deno.makeTempDir({ prefix: "exai-parked-" });
    const mcpServers = { era: eraEntry("legacy") };
    await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers }), { mode: 0o600 });
    try {
      // Over HTTP a window is the same one after a restart of the daemon.
      const call = (daemon: { url: string }, more: JsonObject = {}) => {
        const params = { name: "ask_form", arguments: {}, ...more };
        return postModern(daemon.url.replace(/^ws/, "http") + "mcp", ["tools/call", params, CAPABILITIES]);
      };
      const states: unknown[] = [];
      {
        await using daemon = await startDaemon({ home });
        for (let i = 0; i < 5; i++) states.push(resultOf(await call(daemon)).requestState);
      }
      assertEquals(new Set(states.map((state) => typeof state)), new Set(["string"]));
      await using daemon = await startDaemon({ home });
      for (const state of states) {
        const { error } = await call(daemon, { requestState: state as string, inputResponses: ANSWERS });
        assertEquals(((error as JsonObject).data as JsonObject).code, "OUTCOME_UNKNOWN");
      }
      const { error } = await call(daemon, { requestState: `${states[0]}x`, inputResponses: {} });
      assertEquals((error as JsonObject).code, -32602);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  },
});
