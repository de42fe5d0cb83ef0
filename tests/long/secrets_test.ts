import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename, fromFileUrl, join } from "@std/path";
import { filesBelow } from "../helpers/files_below.ts";
import { statusOf } from "../helpers/http_client.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { Shim } from "../helpers/shim.ts";

/** A secret of each kind, none of which may be found again. */
const CANARIES = {
  token: "canary-token-5f0c11",
  wrongToken: "canary-wrong-token-83ab07",
  providerKey: "canary-provider-key-e2b4d9",
  envLiteral: "canary-env-literal-77c1f0",
  envVariable: "canary-env-variable-2d9e64",
  header: "canary-header-a90b35",
  argument: "canary-argument-c4d8e1",
};

/** Which may hold secrets: what the user wrote, and what is kept to be given back to its owner. */
const MEANT_TO_HOLD = ["mcp.json"];

/** A provider that, as real ones do, puts the key it was shown into its error. */
function careless(status: number) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const shown = request.headers.get("authorization") ?? request.headers.get("x-api-key");
    return Response.json({ error: { message: `Incorrect key provided: ${shown}`, code: "bad" } }, { status });
  });
}

function mcpJson(refusing: number) {
  const script = fromFileUrl(new URL("../fixtures/leaky_server.ts", import.meta.url));
  const leaky = (secret: string, prefix: string) => ({
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", script],
    env: { UPSTREAM_SECRET: secret },
    prefix,
  });
  return {
    mcpServers: {
      literal: leaky(CANARIES.envLiteral, "literal__"),
      variable: leaky("${env:CANARY_VARIABLE}", "variable__"),
      remote: {
        url: `http://127.0.0.1:${refusing}/mcp`,
        headers: { Authorization: `Bearer ${CANARIES.header}` },
      },
      gone: { command: "/nowhere/at/all", env: { API_KEY: CANARIES.envLiteral } },
    },
  };
}

Deno.test("no secret is found again in what the daemon says or keeps, whatever goes wrong", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-secrets-" });
  await using provider = careless(401);
  await using remote = careless(500);
  await Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify(mcpJson(remote.addr.port)));
  const env = {
    EXAI_WS_TOKEN: CANARIES.token,
    CANARY_VARIABLE: CANARIES.envVariable,
    OPENAI_API_KEY: CANARIES.providerKey,
    OPENAI_BASE_URL: `http://127.0.0.1:${provider.addr.port}/v1`,
    EXAI_FIND_LOCAL: "false",
    LOG_LEVEL: "trace",
  };
  const said: Record<string, string> = {};
  {
    await using daemon = await startDaemon({ home, env });
    said.banner = daemon.banner;
    const http = daemon.url.replace(/^ws/, "http");
    await knockWrongly(daemon.url, http, said);
    await using shim = await Shim.ready({ port: Number(new URL(daemon.url).port), home, env });
    said.tools = JSON.stringify(await shim.ask("tools/list"));
    for (
      const tool of [
        "literal__fail",
        "variable__fail",
        "literal__die",
        "variable__die",
        "gone__x",
        "remote__x",
      ]
    ) {
      said[tool] = JSON.stringify(await shim.call(tool, { password: CANARIES.argument }));
    }
    said.version = JSON.stringify(await shim.call("version", { password: CANARIES.argument }));
    said.chat = JSON.stringify(await shim.call("chat", { prompt: "hello", model: "gpt-5" }));
    for (const tool of ["health", "listmodels", "activity"]) {
      said[tool] = JSON.stringify(await shim.call(tool));
    }
    const headers = { authorization: `Bearer ${CANARIES.token}` };
    for (const path of ["/health", "/metrics", "/status", "/calls", "/nowhere"]) {
      said[path] = await (await fetch(new URL(path, http), { headers })).text();
    }
    for (const words of [["ps"], ["ps", "--json"], ["calls", "--json"], ["reload"], ["token", "rotate"]]) {
      const { stdout, stderr } = await runDaemon({
        home,
        args: words,
        env: { ...env, EXAI_WS_PORT: new URL(daemon.url).port },
      });
      said[words.join(" ")] = stdout + stderr;
    }
    said["shim's stderr"] = shim.stderr;
    said["bad setting"] = (await runDaemon({ home, args: ["--port=no"], env })).stderr;
    daemon.process.kill("SIGKILL");
    await daemon.process.status;
  }
  assertStringIncludes(said["literal__fail"]!, "it failed", "the paths were walked");
  assertStringIncludes(said.chat!, "Incorrect key provided");
  const found = Object.entries(said).flatMap(([where, text]) => canariesIn(where, text));
  assertEquals([...found, ...await canariesBelow(home)], []);
  await Deno.remove(home, { recursive: true });
});

/** Everything that is refused for its token. */
async function knockWrongly(url: string, http: string, said: Record<string, string>): Promise<void> {
  using client = await RawClient.connect(url);
  said["wrong hello"] = JSON.stringify(await client.ask({ op: "hello", token: CANARIES.wrongToken }));
  const wrong = { authorization: `Bearer ${CANARIES.wrongToken}` };
  said["wrong bearer"] = await (await fetch(new URL("/health", http), { headers: wrong })).text();
  assertEquals(await statusOf(fetch(new URL(`/health?token=${CANARIES.wrongToken}`, http))), 401);
  assertEquals(await statusOf(fetch(new URL(`/health?token=${CANARIES.token}`, http))), 200);
  using good = await RawClient.hello(url, { token: CANARIES.token });
  const rotate = { op: "rotate_token", old: CANARIES.wrongToken, new: CANARIES.wrongToken };
  said["wrong rotation"] = JSON.stringify(await good.ask(rotate));
  await good.close();
}

function canariesIn(where: string, text: string): string[] {
  return Object.entries(CANARIES).filter(([, secret]) => text.includes(secret)).map(([kind]) =>
    `${kind} in ${where}`
  );
}

async function canariesBelow(home: string): Promise<string[]> {
  const found: string[] = [];
  let files = 0;
  for await (const path of filesBelow(home)) {
    files++;
    if (MEANT_TO_HOLD.includes(basename(path))) continue;
    // Every byte as a character: databases too.
    const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
    found.push(...canariesIn(path, text));
  }
  assert(files > 5, `${files} files`);
  return found;
}
