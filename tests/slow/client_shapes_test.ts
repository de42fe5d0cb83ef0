import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";

const WHERE = fromFileUrl(new URL("../fixtures/where_server.ts", import.meta.url));
const TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

Deno.test("a file of opencode's is mounted as it is, and a token in braces is in no output, log or answer", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-shapes-" });
  const local = { type: "local", command: [Deno.execPath(), "run", "-A", "--no-check", WHERE] };
  const servers = {
    where: {
      ...local,
      environment: { A: "{env:EXAI_TEST_NOT_SET}", B: "b" },
      enabled: true,
      timeout: 20_000,
    },
    off: { ...local, enabled: false },
    leaky: { command: "c", args: ["--token", `\${env:${TOKEN}}`] },
  };
  try {
    await Deno.writeTextFile(
      `${home}/mcp.json`,
      JSON.stringify({ $schema: "https://opencode.ai/config.json", mcp: servers }),
    );
    await using daemon = await startDaemon({ home });
    const run = (...args: string[]) =>
      runDaemon({ home, args, env: { EXAI_WS_PORT: new URL(daemon.url).port } });
    const reload = await run("reload");
    assertEquals(reload.code, 1);
    assertStringIncludes(reload.stdout, "unchanged: where");
    assertStringIncludes(
      reload.stdout,
      "environment.A is left out, as the environment variable EXAI_TEST_NOT_SET is not",
    );
    assertStringIncludes(reload.stdout, "args[1] holds ${env:…}");
    using client = await RawClient.hello(daemon.url, { cwd: home });
    assertEquals(firstText(await client.call("where", { variables: ["A", "B"] })), "- b");
    const refused = JSON.stringify([await client.call("leaky__x"), await client.call("off__x")]);
    await client.close();
    const texts = [
      reload.stdout,
      reload.stderr,
      (await run("ps", "--json")).stdout,
      (await run("ps")).stdout,
      refused,
    ];
    for await (const { name } of Deno.readDir(`${home}/logs`)) {
      texts.push(await Deno.readTextFile(`${home}/logs/${name}`));
    }
    for (const text of texts) assert(!text.includes(TOKEN), text);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
