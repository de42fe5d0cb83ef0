import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { FileLock } from "../../lib/state/file_lock.ts";
import { buildOf } from "../helpers/builds.ts";
import { diagnose, diagnoseByProgram, finding, ownHome, privateHome } from "../helpers/doctor.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { DEFAULT_PORT, takeDefaultPort } from "../helpers/taken_port.ts";
import { until } from "../helpers/until.ts";

const onPosix = { ignore: Deno.build.os === "windows" };
const onLinux = { ignore: Deno.build.os !== "linux" };

/** The entry of mcp.json for a program of Deno's. */
const script = (code: string) => ({ command: Deno.execPath(), args: ["eval", code] });

Deno.test("doctor runs and names each value that is not allowed, where no other command starts", async () => {
  await using home = await privateHome({
    "exai.json": '{\n  "loglevel": "info",\n  "callTimeout": "soon"\n}',
  });
  const env = { EXAI_WS_PORT: "abc", LOG_LEVEL: "loud" };
  const diagnosis = await diagnoseByProgram({ home: home.path, env, args: ["--quick"] });
  assertEquals([diagnosis.ok, diagnosis.code], [false, 1]);
  const invalid = diagnosis.findings.filter(({ id }) => id === "setting-invalid").map(({ what }) => what)
    .join("\n");
  assertStringIncludes(invalid, 'EXAI_WS_PORT (--port) is "abc"');
  assertStringIncludes(invalid, 'LOG_LEVEL (--log-level) is "loud"');
  const inFile = diagnosis.findings.filter(({ id }) => id === "settings-file").map(({ what }) => what).join(
    "\n",
  );
  assertStringIncludes(inFile, `${home.path}/exai.json:2:`);
  assertStringIncludes(inFile, `${home.path}/exai.json:3:`);
  const ps = await runDaemon({ home: home.path, env, args: ["ps"] });
  assertEquals(ps.code, 1);
  const wrong = await runDaemon({ home: home.path, args: ["doctor", "--fxi"] });
  assertEquals(wrong.code, 2, "a wrong command line is no finding");
});

Deno.test("doctor --fix starts nothing out of a mcp.json that others could write", onPosix, async () => {
  await using home = await privateHome({});
  const ran = join(home.path, "ran");
  const a = script(`Deno.writeTextFileSync(${JSON.stringify(ran)}, "")`);
  await Deno.writeTextFile(join(home.path, "mcp.json"), JSON.stringify({ mcpServers: { a } }));
  await Deno.chmod(join(home.path, "mcp.json"), 0o666);
  const { code, stdout } = await runDaemon({
    home: home.path,
    env: ownHome(home.path),
    args: ["doctor", "--fix", "--wait=2"],
  });
  assertStringIncludes(stdout, "look through it", `${code}`);
  assertEquals(await Deno.stat(ran).catch(() => undefined), undefined);
});

Deno.test("doctor runs where the home is a file, and says so", async () => {
  await using home = await privateHome({ file: "" });
  const diagnosis = await diagnoseByProgram({
    home: join(home.path, "file"),
    env: ownHome(home.path),
    args: ["--quick"],
  });
  assertStringIncludes(finding(diagnosis, "home-unusable").what, "no directory");
});

Deno.test("doctor prints for people what is wrong, what to do, and what --fix does", onPosix, async () => {
  await using home = await privateHome({ "health.json": "{}", "start_error": "no \x1b[2J way" });
  await Deno.chmod(home.path, 0o755);
  const env = { ...ownHome(home.path), XDG_RUNTIME_DIR: "" };
  const { code, stdout } = await runDaemon({ home: home.path, env, args: ["doctor", "--quick"] });
  assertEquals(code, 1);
  assertMatch(stdout, /^warning +home +the state directory .* is open to other users \(mode 755\)$/m);
  assertMatch(stdout, /^ +chmod 700 '.*'\n +\(--fix does it\)$/m);
  assertStringIncludes(stdout, "no \\x1b[2J way");
  assertMatch(stdout, /^1 fault, 1 warning; exai-daemon doctor --fix mends 1 of them$/m);
  const fixed = await runDaemon({ home: home.path, env, args: ["doctor", "--quick", "--fix"] });
  assertMatch(fixed.stdout, /^mended +home +the state directory .*\n +done: chmod 700 /m);
  assertEquals(((await Deno.stat(home.path)).mode ?? 0) & 0o777, 0o700);
});

Deno.test("doctor: servers that hang, end with an error or speak no MCP are told apart, the others are not named", async () => {
  await using home = await privateHome({
    "mcp.json": JSON.stringify({
      mcpServers: {
        hangs: script("setInterval(() => {}, 1000)"),
        ends: script("console.error('the key is missing'); Deno.exit(3)"),
        well: script(WELL),
      },
    }),
  });
  const diagnosis = await diagnose({ home: home.path }, { quick: false, waitS: 2 });
  const silent = finding(diagnosis, "server-silent");
  assertStringIncludes(silent.what, 'server "hangs": it has not answered within 2 s');
  assertStringIncludes(silent.remedy, "--wait");
  const fails = finding(diagnosis, "server-fails");
  assertStringIncludes(fails.what, "the key is missing");
  assertEquals(diagnosis.findings.length, 2, JSON.stringify(diagnosis.findings));
});

const WELL = `
const answers = {
  initialize: { protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "well", version: "1" } },
  "tools/list": { tools: [] },
};
let text = "";
for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  text += part;
  for (let end; (end = text.indexOf("\\n")) >= 0; text = text.slice(end + 1)) {
    const { id, method } = JSON.parse(text.slice(0, end));
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: answers[method] ?? {} }));
  }
}`;

Deno.test("doctor: servers behind URLs that refuse the key or are not there", async () => {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using server = Deno.serve(options, () => new Response("who are you?", { status: 401 }));
  const { port } = server.addr;
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const away = free.addr.port;
  free.close();
  await using home = await privateHome({
    "mcp.json": JSON.stringify({
      mcpServers: {
        locked: { url: `http://127.0.0.1:${port}/mcp` },
        away: { url: `http://127.0.0.1:${away}/mcp` },
      },
    }),
  });
  const { findings } = await diagnose({ home: home.path }, { quick: false });
  const of = (name: string) => findings.find(({ what }) => what.includes(`"${name}"`))!;
  assertEquals([of("locked").id, of("away").id], ["server-fails", "server-fails"]);
  assertStringIncludes(of("locked").remedy, "Authorization");
  assertStringIncludes(of("away").remedy, "whether it runs");
});

Deno.test("doctor leaves no process of a server it has tried, and no file", onLinux, async () => {
  await using home = await privateHome();
  const mark = `exai-doctor-left-${crypto.randomUUID()}`;
  await home.write(
    "mcp.json",
    JSON.stringify({ mcpServers: { a: script(`"${mark}"; setInterval(() => {}, 1000)`) } }),
  );
  await diagnose({ home: home.path }, { quick: false, waitS: 1 });
  const commands = await Array.fromAsync(
    Deno.readDir("/proc"),
    ({ name }) => Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => ""),
  );
  assertEquals(commands.filter((command) => command.includes(mark)), []);
});

Deno.test("doctor: a daemon that hangs is told from none, and is not ended", onPosix, async () => {
  await using daemon = await startDaemon();
  daemon.process.kill("SIGSTOP");
  const diagnosis = await diagnoseByProgram({ home: daemon.home, args: ["--quick", "--fix"] });
  daemon.process.kill("SIGCONT");
  const { what, remedy } = finding(diagnosis, "daemon-silent");
  assertStringIncludes(what, `process ${daemon.process.pid}`);
  assertStringIncludes(remedy, "exai-daemon stop --force");
  assertEquals(diagnosis.mended, []);
  const after = await diagnoseByProgram({ home: daemon.home, args: ["--quick"] });
  assertEquals(after.findings.filter(({ id }) => id === "daemon-silent"), []);
});

Deno.test("doctor: a daemon with another token than ours", async () => {
  await using daemon = await startDaemon({ env: { EXAI_WS_TOKEN: "the token of the daemon" } });
  const env = { EXAI_WS_TOKEN: "another token" };
  const { remedy } = finding(
    await diagnoseByProgram({ home: daemon.home, env, args: ["--quick"] }),
    "daemon-refuses",
  );
  assertStringIncludes(remedy, "exai.json");
});

Deno.test("doctor: what a running daemon says of itself", async () => {
  await using home = await privateHome({ "mcp.json": "{ nothing" });
  await using daemon = await startDaemon({ home: home.path });
  const { findings } = await diagnoseByProgram({ home: daemon.home, args: ["--quick"] });
  assert(findings.some(({ id, what }) => id === "daemon-degraded" && what.includes("mcp.json")));
});

Deno.test("doctor: a daemon of an older version is stopped by --fix when no call runs", async () => {
  await using old = await buildOf("0.0.1");
  await using daemon = await startDaemon({ program: old.daemon });
  const options = { home: daemon.home, args: ["--quick"] };
  assertStringIncludes(finding(await diagnoseByProgram(options), "daemon-old").what, "version 0.0.1");
  const { mended, findings } = await diagnoseByProgram({ ...options, args: ["--quick", "--fix"] });
  assertEquals(mended.map(({ id, error }) => [id, error]), [["daemon-old", undefined]]);
  assertEquals(findings, []);
  assertEquals((await daemon.process.status).code, 0);
});

Deno.test("doctor: a program that is older than the daemon is told to be, and ends nothing", async () => {
  await using newer = await buildOf("99.0.0");
  await using daemon = await startDaemon({ program: newer.daemon });
  const diagnosis = await diagnoseByProgram({ home: daemon.home, args: ["--quick", "--fix"] });
  assertStringIncludes(finding(diagnosis, "program-old").what, "version 99.0.0");
  assertEquals(diagnosis.mended, []);
});

Deno.test("doctor: a token that is none while a daemon runs is not changed under it", async () => {
  await using home = await privateHome();
  await using daemon = await startDaemon({ home: home.path, env: { EXAI_WS_TOKEN: "a token of its own" } });
  await home.write("token", "short");
  const { mended } = await diagnoseByProgram({
    home: daemon.home,
    env: { EXAI_WS_TOKEN: "auto" },
    args: ["--quick", "--fix"],
  });
  assertEquals(mended.filter(({ id }) => id === "token-malformed"), []);
  assertEquals(await Deno.readTextFile(join(home.path, "token")), "short");
});

Deno.test("doctor: the default port that another program has is no fault, and one that was chosen is", async () => {
  await using _stranger = await takeDefaultPort("answers 200");
  await using home = await privateHome();
  const options = { home: home.path, args: ["--quick"], env: { EXAI_WS_PORT: String(DEFAULT_PORT) } };
  const diagnosis = await diagnoseByProgram(options);
  assertEquals(finding(diagnosis, "port-taken").severity, "warning");
  assertEquals(diagnosis.code, 0);
});

Deno.test("doctor: a daemon of another home on the port is named with that home", async () => {
  await using daemon = await startDaemon();
  await using home = await privateHome();
  const { port } = new URL(daemon.url);
  const { what } = finding(
    await diagnoseByProgram({ home: home.path, args: ["--quick"], env: { EXAI_WS_PORT: port } }),
    "port-taken",
  );
  assertStringIncludes(what, await Deno.realPath(daemon.home));
});

Deno.test("doctor: proxies in the way, malformed and not there", async () => {
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  await using home = await privateHome();
  const env = {
    HTTPS_PROXY: `http://ada:secret@127.0.0.1:${port}`,
    HTTP_PROXY: "ftp://proxy",
    NO_PROXY: "example.com",
  };
  const diagnosis = await diagnoseByProgram({ home: home.path, env });
  assertStringIncludes(
    finding(diagnosis, "proxy-in-the-way").remedy,
    "NO_PROXY=example.com,localhost,127.0.0.1,::1",
  );
  assertStringIncludes(finding(diagnosis, "proxy-malformed").what, "HTTP_PROXY");
  assertStringIncludes(finding(diagnosis, "proxy-unreachable").what, "HTTPS_PROXY");
  assert(!JSON.stringify(diagnosis).includes("secret"));
});

Deno.test("doctor: a proxy that answers in place of a server is named with the server", async () => {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using proxy = Deno.serve(
    options,
    () => new Response("<h1>Sign in to the hotel</h1>", { status: 502 }),
  );
  await using home = await privateHome({
    "mcp.json": JSON.stringify({ mcpServers: { far: { url: "http://mcp.example.invalid/mcp" } } }),
  });
  const env = { HTTP_PROXY: `http://127.0.0.1:${proxy.addr.port}`, NO_PROXY: "localhost,127.0.0.1" };
  const { remedy } = finding(await diagnoseByProgram({ home: home.path, env }), "server-fails");
  assertStringIncludes(remedy, "through the proxy of HTTP_PROXY");
});

Deno.test(
  "doctor: a login shell that says nothing, few handles, a runtime directory of nobody, a variable only here",
  onLinux,
  async () => {
    await using home = await privateHome({
      "mcp.json": JSON.stringify({
        mcpServers: { a: { ...script(WELL), env: { KEY: "${env:EXAI_ONLY_IN_THIS_TERMINAL}" } } },
      }),
    });
    const env = { XDG_RUNTIME_DIR: "/no/such/directory", EXAI_ONLY_IN_THIS_TERMINAL: "here" };
    const silent = await diagnoseByProgram({ home: home.path, env: { ...env, SHELL: "/bin/false" } });
    assertStringIncludes(finding(silent, "login-shell-silent").what, "/bin/false");
    assertStringIncludes(finding(silent, "runtime-dir").what, "/no/such/directory");
    const asked = await diagnoseByProgram({ home: home.path, env: { ...env, SHELL: "/bin/sh" } });
    assertStringIncludes(finding(asked, "variable-only-here").what, "EXAI_ONLY_IN_THIS_TERMINAL");
    const daemon = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: [
        "-c",
        'ulimit -n 200; exec "$0" run -A --no-check "$1" doctor --quick --json',
        Deno.execPath(),
        daemon,
      ],
      env: { ...ownHome(home.path), EXAI_HOME: home.path, EXAI_WS_PORT: "0", ENV_FILE: "" },
    }).output();
    const shown = new TextDecoder().decode(stdout);
    assertStringIncludes(shown, '"handles-low"');
    assertStringIncludes(shown, "200 files");
  },
);

Deno.test("doctor: a shim that is missing or of another version, and a program from the future", async () => {
  await using other = await buildOf("0.0.7");
  await using home = await privateHome();
  const options = { home: home.path, args: ["--quick"], program: other.daemon };
  assertEquals((await diagnoseByProgram(options)).findings, []);
  await Deno.writeTextFile(other.shim, 'console.log("exai-shim 0.0.1");');
  assertStringIncludes(finding(await diagnoseByProgram(options), "shim-version").what, "version 0.0.1");
  await Deno.remove(other.shim);
  assertStringIncludes(finding(await diagnoseByProgram(options), "shim-missing").what, other.shim);
  const nextMonth = Date.now() / 1000 + 30 * 86_400;
  await Deno.utime(other.daemon, nextMonth, nextMonth);
  assertStringIncludes(
    finding(await diagnoseByProgram(options), "clock-off").what,
    "at least 30 days behind",
  );
});

/** Mounting takes root, and rights that containers may lack. */
const mayMount = Deno.build.os === "linux" && Deno.uid() === 0 && await run("unshare", "-m", "true");

async function run(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

Deno.test("doctor: a full disk and one that cannot be written", { ignore: !mayMount }, async () => {
  await using home = await privateHome();
  assert(await run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", home.path));
  try {
    {
      using filler = await Deno.open(join(home.path, "filler"), { create: true, write: true });
      await filler.write(new Uint8Array(600 * 1024));
    }
    const full = await diagnose({ home: home.path });
    assertStringIncludes(finding(full, "disk-full").what, "are free where the state directory is");
    assertStringIncludes(finding(full, "disk-full").remedy, "EXAI_HOME");
    assertEquals(full.code, 1);
    assert(await run("mount", "-o", "remount,ro", home.path));
    finding(await diagnose({ home: home.path }), "home-not-writable");
  } finally {
    await run("umount", "-l", home.path);
  }
});

Deno.test("doctor does not disturb a daemon that starts, nor keeps its home", async () => {
  await using home = await privateHome();
  const [started] = await Promise.all([
    startDaemon({ home: home.path }),
    ...Array.from({ length: 2 }, () => diagnose({ home: home.path })),
  ]);
  await using daemon = started;
  assertEquals(await FileLock.tryTake(join(daemon.home, "daemon.lock")), undefined);
  assertEquals((await diagnose({ home: daemon.home })).findings, []);
  daemon.process.kill("SIGTERM");
  await until("the home is free", async () => {
    using lock = await FileLock.tryTake(join(daemon.home, "daemon.lock"));
    return lock === undefined ? undefined : true;
  });
});
