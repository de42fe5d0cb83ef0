import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, signalProgram } from "../helpers/program.ts";

const DAEMON = fromFileUrl(new URL("../../daemon.ts", import.meta.url));

/** A state directory with logs, and the command run on it without a daemon. */
async function logDir() {
  const dir = await tempDir({
    "logs/daemon.log": "one\ntwo\nthree\n",
    "logs/shim.log": "of a shim\n",
    "logs/server-files.log": "said by files\x1b[31m\n",
    "mcp.json": JSON.stringify({ mcpServers: { files: { command: "x" }, silent: { command: "x" } } }),
  });
  await Deno.chmod(dir.path, 0o700);
  return {
    ...dir,
    run: (...args: string[]) => runDaemon({ home: dir.path, args: ["logs", ...args] }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("logs shows the last lines of the daemon, the shims or a server, also without a daemon", async () => {
  await using at = await logDir();
  assertEquals((await at.run()).stdout, "one\ntwo\nthree\n");
  assertEquals((await at.run("--lines=2")).stdout, "two\nthree\n");
  assertEquals((await at.run("--shim")).stdout, "of a shim\n");
  assertEquals((await at.run("files")).stdout, "said by files\\x1b[31m\n");
  const json = JSON.parse((await at.run("files", "--json")).stdout);
  assertEquals(json, { path: `${at.path}/logs/server-files.log`, lines: ["said by files\x1b[31m"] });
  assertStringIncludes((await at.run("silent")).stdout, "the server silent has written nothing");
});

Deno.test("logs of a server there is none of names the nearest, and of a number that is none says what is", async () => {
  await using at = await logDir();
  const unknown = await at.run("flies");
  assertEquals(unknown.code, 1);
  assertStringIncludes(unknown.stderr, "did you mean files");
  assertStringIncludes((await at.run("../../etc/passwd")).stderr, "there is no server");
  const wrong = await at.run("--lines=many");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "a whole number, 0 to");
});

Deno.test("logs --follow shows each line as it is written, once, also when the file is rotated", async () => {
  await using at = await logDir();
  const path = `${at.path}/logs/server-files.log`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", DAEMON, "logs", "files", "--follow", "--lines=1", "--json"],
    env: { EXAI_HOME: at.path, XDG_RUNTIME_DIR: at.path, EXAI_WS_PORT: "0", ENV_FILE: "" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const next = async () => {
    while (!text.includes("\n")) text += (await reader.read()).value ?? "";
    const at = text.indexOf("\n");
    const { line } = JSON.parse(text.slice(0, at));
    text = text.slice(at + 1);
    return line;
  };
  const append = (text: string) => Deno.writeTextFile(path, text, { append: true });
  try {
    assertEquals(await next(), "said by files\x1b[31m");
    await append("zwei Hälf");
    await append("ten\ndrei\n");
    assertEquals([await next(), await next()], ["zwei Hälften", "drei"]);
    await append("before the rotation\n");
    await Deno.rename(path, `${path}.1`);
    await append("after it\n");
    assertEquals([await next(), await next()], ["before the rotation", "after it"]);
  } finally {
    signalProgram(child, "SIGKILL");
    await child.status;
    await reader.cancel();
  }
});
