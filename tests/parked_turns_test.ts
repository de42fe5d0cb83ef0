import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { modernRequest } from "./helpers/modern.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sharedServer, type SharedServerOptions } from "./helpers/shared_server.ts";
import { talkative } from "./helpers/talkative.ts";

const ASKED = { elicitation: { form: {} } };

/** A client of the modern era, on a connection of its own. */
class Client implements Disposable {
  readonly #raw: RawClient;
  #lastId = 0;

  private constructor(raw: RawClient) {
    this.#raw = raw;
  }

  static async connect(url: string): Promise<Client> {
    return new Client(await RawClient.connect(url, ["mcp"]));
  }

  /** The answers to requests of `name` that are made at once, in the order they came. */
  async callAtOnce(
    name: string,
    more: JsonObject[],
    capabilities: JsonObject = ASKED,
  ): Promise<JsonObject[]> {
    for (const params of more) {
      const request = { name, arguments: {}, ...params };
      this.#raw.send(modernRequest(++this.#lastId, "tools/call", request, { capabilities }));
    }
    return await Array.fromAsync(more, () => this.#raw.nextWhere(({ id }) => id !== undefined));
  }

  async call(name: string, more: JsonObject = {}, capabilities?: JsonObject): Promise<JsonObject> {
    const [answer] = await this.callAtOnce(name, [more], capabilities);
    return answer!.result as JsonObject;
  }

  [Symbol.dispose](): void {
    this.#raw[Symbol.dispose]();
  }
}

/** A daemon with one server of the legacy era that asks, and clients of the modern era. */
async function rig(config: SharedServerOptions["config"] = {}, count = 1) {
  const shared = sharedServer({ config: { share: "machine", ...config }, build: talkative });
  const it = await testDaemon({ servers: [shared.mounted] });
  const clients = await Promise.all(Array.from({ length: count }, () => Client.connect(it.url)));
  return {
    clients,
    servers: shared.servers,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      await it[Symbol.asyncDispose]();
      await shared[Symbol.asyncDispose]();
    },
  };
}

const textOf = ({ content }: JsonObject) => String((content as JsonObject[] | undefined)?.[0]?.text);

Deno.test("a client whose requests declare different capabilities is asked as one that declares the same", async () => {
  await using it = await rig();
  const [ada] = it.clients as [Client];
  assertEquals(textOf(await ada.call("process", {}, {})), "1");
  const asked = await ada.call("ask");
  assertEquals(asked.resultType, "input_required", textOf(asked));
  const answers = { name: { action: "accept", content: { name: "ada" } } };
  const { requestState } = asked;
  assertEquals(textOf(await ada.call("ask", { requestState, inputResponses: answers })), "ada");
});

Deno.test("forty calls of one client that ask at once are asked at once", async () => {
  await using it = await rig();
  const [ada] = it.clients as [Client];
  const asked = await ada.callAtOnce("ask", Array(40).fill({}));
  const states = asked.map(({ result }) => (result as JsonObject).requestState!);
  assertEquals(new Set(states).size, 40);
  const inputResponses = { name: { action: "accept", content: { name: "ada" } } };
  const answered = await ada.callAtOnce(
    "ask",
    states.map((requestState) => ({ requestState, inputResponses })),
  );
  assertEquals(answered.map(({ result }) => textOf(result as JsonObject)), Array(40).fill("ada"));
  assertEquals(it.servers.length, 1);
});

for (const exclusive of [false, true]) {
  Deno.test(`a parked call does not hold up another window, ${exclusive ? "where no copy may run" : "which gets a process"}`, async () => {
    await using it = await rig({ exclusive }, 2);
    const [ada, bob] = it.clients as [Client, Client];
    assertEquals((await ada.call("ask")).resultType, "input_required");
    const startedMs = performance.now();
    assertEquals(textOf(await bob.call("process")), exclusive ? "1" : "2");
    const tookMs = performance.now() - startedMs;
    assertEquals(tookMs < 2500, true, `${tookMs} ms`);
  });
}
