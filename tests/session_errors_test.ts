import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { UrlServer } from "./helpers/url_server.ts";

Deno.test("HTTP 500 for what one window asks leaves the server to the others; for what two ask, it is left alone", async () => {
  await using server = new UrlServer();
  await using it = await mountingDaemon({ web: { url: server.url, type: "http", share: "machine" } });
  using one = await RawClient.hello(it.url);
  using other = await RawClient.hello(it.url);
  for (const client of [one, other]) assertEquals((await client.call("ping")).error, undefined);
  const fails = async (client: RawClient) => {
    server.script.push({ status: 500 });
    return (await client.call("ping")).error as JsonObject;
  };
  for (let n = 0; n < 5; n++) assertStringIncludes(String((await fails(one)).message), "500");
  const { message } = (await one.call("ping")).error as JsonObject;
  assertStringIncludes(String(message), 'the last 5 calls of this session to server "web" failed');
  server.script.length = 0;
  assertEquals((await other.call("ping")).error, undefined);
  const breaker = async () => (await it.status())[0]!.breaker as JsonObject;
  const { state, refused_sessions } = await breaker();
  assertEquals([state, refused_sessions], ["closed", 1]);
  using third = await RawClient.hello(it.url);
  await fails(other);
  for (let n = 0; n < 5; n++) await fails(third);
  assertEquals((await breaker()).state, "open");
});
