import { assert } from "@std/assert";
import { mountingDaemon } from "./helpers/mounts.ts";
import { opClient } from "./helpers/passing/doors.ts";
import { arrivalAt, next } from "./helpers/passing/exchange.ts";
import { VALUES } from "./helpers/passing/messages.ts";
import { stdioServer, urlServer } from "./helpers/passing/verbatim_server.ts";

for (const [name, makeServer] of Object.entries({ piped: stdioServer, far: urlServer })) {
  Deno.test(`an op's arguments, and the outputs of its tool on a server (${name}), pass as they came`, async (t) => {
    await using server = makeServer(name);
    await using it = await mountingDaemon({ [name]: server.entry });
    await using client = await opClient(it.url);
    await client.send('{"op":"list_tools"}');
    const { tools } = JSON.parse(await client.next());
    const tool = JSON.stringify(
      tools.find((one: { description: string }) => one.description === `of ${name}`).name,
    );
    await t.step("arguments of several lines come on one", async () => {
      await client.send(`{"op":"call_tool","request_id":1.0,\n"name":${tool},"arguments":{\r\n"a":\n1.0}\n}`);
      const { text, say } = await arrivalAt(server, client);
      assert(/"arguments":\{\s+"a":\s1.0\}/.test(text) && !text.includes("\n"), text);
      say(`{"jsonrpc":"2.0","id":${JSON.parse(text).id},"result":{"content":[]}}`);
      assert((await next(client)).includes('"request_id":1.0,'));
    });
    for (const [what, value] of Object.entries(VALUES)) {
      await t.step({
        name: what,
        async fn() {
          await client.send(`{"op":"call_tool","request_id":"\\u0061","name":${tool},"arguments":${value}}`);
          const arrival = await arrivalAt(server, client);
          const id = JSON.stringify(JSON.parse(arrival.text).id);
          assert(arrival.text.includes(`"arguments":${value}`), arrival.text);
          const content = `[{"type":"text","text":"x","_meta":${value}}]`;
          arrival.say(
            `{"jsonrpc":"2.0","id":${id},"result":{"content":${content},"structuredContent":${value}}}`,
          );
          const answer = await next(client);
          assert(answer.includes(`"outputs":${content}`), answer);
          assert(answer.includes(`"structured":${value}`), answer);
        },
      });
    }
  });
}
