import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join, toFileUrl } from "@std/path";
import { bundleDaemon } from "../../tools/compile/daemon.ts";
import { bundleShim } from "../../tools/compile/shim.ts";
import { claudeError, sayClaude } from "../fixtures/anthropic_events.ts";
import { geminiError, sayGemini } from "../fixtures/gemini_events.ts";
import { NativeServer } from "../fixtures/native_server.ts";
import { ScriptedDaemon, SERVER_INFO } from "../fixtures/scripted_daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { png } from "../helpers/images.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { isRenewal, processesOf, signedInHome } from "../helpers/renewals.ts";
import { ScriptedAuth } from "../helpers/scripted_auth.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const KIB = 1024;

let bundling: Promise<string> | undefined;

/** The directory of the bundled daemon, made once: no test writes into it. */
function bundledDaemon(): Promise<string> {
  return bundling ??= (async () => {
    const dir = await Deno.makeTempDir({ prefix: "exai-bundle-" });
    await bundleDaemon(dir);
    return dir;
  })();
}

Deno.test.afterAll(async () => {
  const dir = await bundling?.catch(() => undefined);
  if (dir !== undefined) await Deno.remove(dir, { recursive: true });
});

Deno.test("the bundled shim is small and carries messages as its source does", async () => {
  const dir = await Deno.makeTempDir({ prefix: "exai-bundle-" });
  const program = `${dir}/shim.js`;
  const { bytes } = await bundleShim(program);
  assertEquals(bytes < 224 * KIB, true, `${bytes} bytes`);
  {
    await using daemon = new ScriptedDaemon();
    await using shim = await Shim.start({ port: daemon.port, program });
    const { serverInfo } = (await shim.initialize()).result as { serverInfo: unknown };
    assertEquals(serverInfo, SERVER_INFO);
    const connection = await daemon.connection();
    await connection.next();
    const strange = '{"jsonrpc":"2.0","id":5,"method":"x","params":{"n":1.0},"extra":[]}';
    await shim.send(strange);
    assertEquals(await connection.nextText(), strange);
    await shim.send('{"jsonrpc":"1.0","id":6,"method":"x"}');
    assertEquals(((await shim.answer(6)).error as { code: number }).code, -32600);
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the bundled daemon shows the tools of a server that describes their answers", async () => {
  await using dir = await tempDir({});
  const program = join(await bundledDaemon(), "daemon.js");
  const outputSchema = { type: "object", properties: { n: { type: "number" } } };
  const tool = { name: "count", inputSchema: { type: "object" }, outputSchema };
  const script = fromFileUrl(new URL("../fixtures/scripted_server.ts", import.meta.url));
  const args = ["run", "-A", "--no-check", script, JSON.stringify({ "tools/list": { tools: [tool] } })];
  const home = join(dir.path, "home");
  await Deno.mkdir(home, { mode: 0o700 });
  const mcpServers = { counts: { command: Deno.execPath(), args } };
  await Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers }), { mode: 0o600 });
  await using _daemon = await startDaemon({ program, home });
  const { code, stdout, stderr } = await runDaemon({ program, home, args: ["tools", "count", "--json"] });
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, '"n"');
});

Deno.test("the bundled daemon lets go of the state directory that it has looked at, so that restart starts another", async () => {
  await using dir = await tempDir({});
  const program = join(await bundledDaemon(), "daemon.js");
  const home = join(dir.path, "home");
  await Deno.mkdir(home, { mode: 0o700 });
  try {
    for (const _ of ["the first", "another"]) {
      const { code, stderr } = await runDaemon({ program, home, args: ["restart"] });
      assertEquals(code, 0, stderr);
    }
  } finally {
    await runDaemon({ program, home, args: ["stop"] });
  }
});

Deno.test("the bundled daemon renews tokens by a process of its own", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const seen = Promise.withResolvers<string[]>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  auth.script.token = async () => {
    seen.resolve((await processesOf(signedIn.home)).map(({ text }) => text));
    return undefined;
  };
  const program = join(await bundledDaemon(), "daemon.js");
  await using _daemon = await startDaemon({ program, home: signedIn.home });
  assert((await seen.promise).some((text) => isRenewal(text) && text.includes(program)));
  await until("the new tokens in the vault", async () => {
    const token = (await signedIn.tokens())?.refresh_token;
    return token !== undefined && auth.refresh.has(token) || undefined;
  });
});

Deno.test("no package that the bundled daemon loads late is of CommonJS: it would have no names there", async () => {
  const dir = await bundledDaemon();
  const nameless: string[] = [];
  for await (const { name } of Deno.readDir(dir)) {
    const text = await Deno.readTextFile(join(dir, name));
    if (/export default \w+\(\);?\s*$/.test(text)) nameless.push(name);
  }
  assertEquals(nameless, []);
});

Deno.test("the bundled daemon has what it loads late: native providers are asked, and their errors read", async () => {
  await using dir = await tempDir({});
  const program = join(await bundledDaemon(), "daemon.js");
  await using gemini = new NativeServer("gemini", sayGemini("From Gemini."));
  await using claude = new NativeServer("anthropic", sayClaude("From Claude."));
  const env = {
    EXAI_SOCKET: "off",
    EXAI_FIND_LOCAL: "false",
    GEMINI_API_KEY: "key-of-gemini",
    GEMINI_BASE_URL: gemini.url,
    ANTHROPIC_API_KEY: "key-of-claude",
    ANTHROPIC_BASE_URL: claude.url,
  };
  await using daemon = await startDaemon({ program, home: join(dir.path, "home"), env });
  await using shim = await Shim.ready({ port: Number(new URL(daemon.url).port) });
  const ask = async (model: string) =>
    JSON.stringify((await shim.call("chat", { prompt: "Hello?", model })).result);
  assertStringIncludes(await ask("gemini-4-argon"), "From Gemini.");
  assertStringIncludes(await ask("claude-opus-5"), "From Claude.");
  gemini.script(geminiError(400, "INVALID_ARGUMENT", "API key not valid", [{ reason: "API_KEY_INVALID" }]));
  assertStringIncludes(await ask("gemini-4-argon"), "Check its key");
  claude.script(claudeError(401, "authentication_error", "invalid key"));
  assertStringIncludes(await ask("claude-opus-5"), "Check its key");
});

Deno.test("the bundled daemon carries its prompts: it reads no file of them", async () => {
  const dir = await bundledDaemon();
  const names = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  const bundled = (await Promise.all(names.map((name) => Deno.readTextFile(join(dir, name))))).join("");
  const folder = new URL("../../lib/tool/prompts/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const [, first] = /^# [^\n]+\n\n([^\n`"]{20,60})/m.exec(await Deno.readTextFile(new URL(name, folder))) ??
      [];
    if (first !== undefined) assertStringIncludes(bundled, first, name);
  }
  assertEquals(/from\s*"[^"]*\.md"|import\("[^"]*\.md"\)/.test(bundled), false);
});

Deno.test("the bundled daemon scales an image down in a thread of its own", async () => {
  const dir = await bundledDaemon();
  const names = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  const part = names.find((name) => name.startsWith("image_worker-"))!;
  const { IMAGE_WORKER_URL } = await import(toFileUrl(join(dir, part)).href);
  const worker = new Worker(IMAGE_WORKER_URL, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<{ type: string }>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage({ bytes: png({ width: 300, height: 200 }), maxSide: 100, maxBytes: 10_000 });
  assertEquals((await promise).type, "image/png");
  worker.terminate();
});

Deno.test("the bundled daemon has what it loads late: certificates are made, and asked of its clients", async () => {
  const dir = await Deno.makeTempDir({ prefix: "exai-bundle-" });
  const [home, certs] = [`${dir}/home`, `${dir}/home/certs`];
  const program = join(await bundledDaemon(), "daemon.js");
  assertEquals((await runDaemon({ program, home, args: ["certs"] })).code, 0);
  {
    const env = {
      EXAI_SOCKET: "off",
      EXAI_TLS_CERT: `${certs}/server.pem`,
      EXAI_TLS_KEY: `${certs}/server.key`,
      EXAI_TLS_CLIENT_CA: `${certs}/ca.pem`,
    };
    await using daemon = await startDaemon({ program, home, env });
    const client = {
      EXAI_TLS_CA: `${certs}/ca.pem`,
      EXAI_TLS_CLIENT_CERT: `${certs}/client.pem`,
      EXAI_TLS_CLIENT_KEY: `${certs}/client.key`,
    };
    await using shim = await Shim.ready({ port: Number(new URL(daemon.url).port), env: client });
    assertEquals((await shim.call("version")).error, undefined);
  }
  await Deno.remove(dir, { recursive: true });
});
