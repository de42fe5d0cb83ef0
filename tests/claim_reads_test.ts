import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { META } from "../lib/wire/client_claim.ts";
import { RawObject } from "../lib/wire/raw_object.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { modernRequest } from "./helpers/modern.ts";
import { ModernHttp } from "./helpers/modern_http.ts";
import { RawClient } from "./helpers/raw_client.ts";

/** Counts, until it is disposed, how often a request is asked for what a claim consists of. */
class ClaimReads implements Disposable {
  /** Whether there is a claim. */
  looked = 0;
  /** What the client can do. */
  read = 0;
  readonly #has = RawObject.prototype.has;
  readonly #get = RawObject.prototype.get;

  constructor() {
    const [counts, has, get] = [this, this.#has, this.#get];
    RawObject.prototype.has = function (name) {
      if (name === META.revision) counts.looked++;
      return has.call(this, name);
    };
    RawObject.prototype.get = function (name) {
      if (name === META.capabilities) counts.read++;
      return get.call(this, name);
    };
  }

  [Symbol.dispose](): void {
    RawObject.prototype.has = this.#has;
    RawObject.prototype.get = this.#get;
  }
}

const CALL = { name: "version", arguments: {} };

Deno.test("over a connection a request is asked its era once, and what its client claims is read once", async () => {
  await using it = await testDaemon();
  using client = await RawClient.connect(`${it.http.replace("http", "ws")}mcp`, ["mcp"]);
  const initialize = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "t", version: "1" },
  };
  await client.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
  using reads = new ClaimReads();
  const params: JsonObject = { ...CALL, _meta: { progressToken: 1 } };
  await client.ask({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
  assertEquals([reads.looked, reads.read], [1, 0]);
  const said = newClient();
  await client.ask(modernRequest(2, "tools/call", CALL, said));
  await client.ask(modernRequest(3, "tools/call", CALL, { ...said, meta: { progressToken: 1 } }));
  assertEquals(reads.read, 1);
  await client.ask(modernRequest(4, "tools/call", CALL, { ...said, capabilities: { sampling: {} } }));
  assertEquals(reads.read, 2);
  await client.close();
});

Deno.test("over HTTP what a client claims is read once, whatever sessions it has", async () => {
  await using it = await testDaemon();
  const said = newClient();
  using reads = new ClaimReads();
  for (const id of [1, 2]) {
    const client = new ModernHttp(new URL("/mcp", it.http).href);
    const { result } = await (await client.call(id, "version", {}, said)).json();
    assertEquals(result.resultType, "complete");
  }
  assertEquals(reads.read, 1);
});

/** A client that nothing was read of before, in whichever process the tests run. */
function newClient() {
  return { client: crypto.randomUUID() };
}
