import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { MIB } from "../lib/base/units.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { modernRequest } from "./helpers/modern.ts";
import { ModernHttpClient } from "./helpers/modern_http_client.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sharedServer } from "./helpers/shared_server.ts";
import { talkative } from "./helpers/talkative.ts";

const CAPABILITIES = { elicitation: { form: {} } };
const ADA = { name: { action: "accept", content: { name: "ada" } } };

/** A daemon that holds 1 MiB, and what calls its tool that asks, over HTTP and over a connection. */
async function rig() {
  const shared = sharedServer({ config: { share: "machine" }, build: talkative });
  const it = await testDaemon({ servers: [shared.mounted], settings: { maxHeldBytes: MIB } });
  const http = new ModernHttpClient(it.http, { capabilities: CAPABILITIES });
  const raw = await RawClient.connect(it.url, ["mcp"]);
  let lastId = 0;
  return {
    doors: {
      http: (params: JsonObject) => http.ask("tools/call", params),
      connection: (params: JsonObject) =>
        raw.ask(modernRequest(++lastId, "tools/call", params, { capabilities: CAPABILITIES })),
    },
    async [Symbol.asyncDispose]() {
      raw[Symbol.dispose]();
      await it[Symbol.asyncDispose]();
      await shared[Symbol.asyncDispose]();
    },
  };
}

/** What a call is answered with: what it says, the code of its error, or that it asks. */
function outcome({ result, error }: JsonObject): string {
  if (error) return String(((error as JsonObject).data as JsonObject | undefined)?.code);
  const { resultType, content } = result as JsonObject;
  return resultType === "complete" ? String((content as JsonObject[])[0]!.text) : String(resultType);
}

for (const door of ["http", "connection"] as const) {
  Deno.test(`a call that waits for its client counts with its arguments until it ends: ${door}`, async () => {
    await using it = await rig();
    const ask = (size: number, more: JsonObject = {}) =>
      it.doors[door]({ name: "ask", arguments: { text: "x".repeat(size) }, ...more });
    const asked = await ask(200_000);
    assertEquals(outcome(asked), "input_required");
    assertEquals(outcome(await ask(350_000)), "OVER_CAPACITY");
    assertStringIncludes(outcome(await ask(100_000)), "a quarter of EXAI_MAX_HELD_BYTES");
    const { requestState } = asked.result as JsonObject;
    assertEquals(
      outcome(await ask(200_000, { requestState: requestState!, inputResponses: ADA })),
      "ada",
      "there is room for the answers",
    );
    assertEquals(outcome(await ask(200_000)), "input_required");
  });
}
