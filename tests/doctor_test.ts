import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { assertLeaves, assertMends, diagnose, finding, privateHome } from "./helpers/doctor.ts";

const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
const onPosix = { ignore: Deno.build.os === "windows" };
const asRoot = { ignore: !isRoot };

/** Nobody's process id: above what Linux and macOS give. */
const NO_PID = 99_999_999;

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("doctor finds nothing wrong with a fresh home", async () => {
  await using home = await privateHome();
  const { ok, code, findings } = await diagnose({ home: home.path }, { quick: false });
  assertEquals([ok, code, findings], [true, 0, []]);
});

Deno.test("doctor finds nothing wrong before there is a home, and makes none", async () => {
  await using home = await privateHome();
  const path = join(home.path, "not", "yet");
  const { findings } = await diagnose({ home: path });
  assertEquals(findings, []);
  assertEquals(await Deno.stat(path).catch(() => "none"), "none");
});

Deno.test("doctor: a home that is open to others is closed by --fix", onPosix, async () => {
  await using home = await privateHome({ "health.json": "{}" });
  await Deno.chmod(home.path, 0o755);
  await assertMends({ home: home.path }, "home-open");
  assertEquals(await modeOf(home.path), 0o700);
});

Deno.test("doctor: a home that is open and holds files of others is left to the user", onPosix, async () => {
  await using home = await privateHome({ "thesis.odt": "" });
  await Deno.chmod(home.path, 0o755);
  await assertLeaves({ home: home.path }, "home-shared");
  assertEquals(await modeOf(home.path), 0o755);
});

Deno.test("doctor: a home of another user is named with its chown", asRoot, async () => {
  await using home = await privateHome();
  await Deno.chown(home.path, 65534, 65534);
  const { remedy } = await assertLeaves({ home: home.path }, "home-foreign");
  assertStringIncludes(remedy, `chown -R ${Deno.uid()} '${home.path}'`);
});

Deno.test("doctor: a file in the place of the home is named", async () => {
  await using home = await privateHome({ "file": "" });
  const { remedy } = await assertLeaves({ home: join(home.path, "file") }, "home-unusable");
  assertStringIncludes(remedy, "EXAI_HOME");
});

Deno.test("doctor: a home below a directory that others can write to is not safe", onPosix, async () => {
  await using around = await privateHome({ "shared/home/health.json": "{}" });
  await Deno.chmod(join(around.path, "shared"), 0o777);
  await Deno.chmod(join(around.path, "shared", "home"), 0o700);
  const { what } = await assertLeaves({ home: join(around.path, "shared", "home") }, "home-untrusted");
  assertStringIncludes(what, `others may write to ${around.path}/shared`);
});

Deno.test(
  "doctor: files of another user in the home, as after sudo, are named with their chown",
  asRoot,
  async () => {
    await using home = await privateHome({ "logs/daemon.log": "", "calls.db": "" });
    await Deno.chown(join(home.path, "logs", "daemon.log"), 65534, 65534);
    const { what, remedy } = await assertLeaves({ home: home.path }, "files-foreign");
    assertStringIncludes(what, `1 of EXAI's files belong to user 65534`);
    assertStringIncludes(remedy, `chown -R ${Deno.uid()} '${home.path}/logs/daemon.log'`);
  },
);

Deno.test("doctor: files that you may not read or write are yours again with --fix", onPosix, async () => {
  await using home = await privateHome({
    "calls.db": "",
    "mcp.json": "{}",
    "logs/daemon.log": "",
    "models.json": "",
  });
  const locked = { "calls.db": 0o400, "mcp.json": 0o200, "logs": 0o500 };
  for (const [name, mode] of Object.entries(locked)) await Deno.chmod(join(home.path, name), mode);
  // Configuration is only read.
  await Deno.chmod(join(home.path, "models.json"), 0o400);
  await assertMends({ home: home.path }, "files-locked");
  assertEquals(await Promise.all(Object.keys(locked).map((name) => modeOf(join(home.path, name)))), [
    0o600,
    0o600,
    0o700,
  ]);
  assertEquals(await modeOf(join(home.path, "models.json")), 0o400);
});

Deno.test("doctor: a setting that names a file that is not there", async () => {
  await using home = await privateHome();
  const { what } = await assertLeaves(
    { home: home.path, config: join(home.path, "gone.json") },
    "file-missing",
  );
  assertStringIncludes(what, `EXAI_CONFIG names ${home.path}/gone.json`);
});

Deno.test("doctor: a daemon that was killed is told", async () => {
  await using home = await privateHome({
    "health.json": JSON.stringify({ status: "ok", pid: NO_PID, time: "then" }),
  });
  const { what, severity } = await assertLeaves({ home: home.path }, "daemon-killed");
  assertStringIncludes(what, `process ${NO_PID}`);
  assertEquals(severity, "warning");
});

Deno.test("doctor: what ended processes left unfinished is removed by --fix, what runs is not", async () => {
  await using home = await privateHome({
    [`health.json.${NO_PID}.3.tmp`]: "half",
    [`health.json.${Deno.pid}.3.tmp`]: "being written",
  });
  await assertMends({ home: home.path }, "leftover-files");
  const left = await Array.fromAsync(Deno.readDir(home.path), ({ name }) => name);
  assertEquals(left, [`health.json.${Deno.pid}.3.tmp`]);
});

Deno.test("doctor: the address of a daemon that is gone is removed by --fix", async () => {
  const address = JSON.stringify({ url: "ws://127.0.0.1:1/", pid: NO_PID, version: "1" });
  await using home = await privateHome({ "daemon.json": address });
  await assertMends({ home: home.path }, "stale-address");
});

Deno.test(
  "doctor: a mcp.json that others can write is closed by --fix, and what is in it is found then",
  onPosix,
  async () => {
    await using home = await privateHome({ "mcp.json": '{ "mcpServers": { "a": { "comand": "x" } } }' });
    await Deno.chmod(join(home.path, "mcp.json"), 0o666);
    await assertMends({ home: home.path }, "file-untrusted");
    assertEquals(await modeOf(join(home.path, "mcp.json")), 0o644);
    finding(await diagnose({ home: home.path }), "servers-file");
  },
);

Deno.test("doctor: a link is never followed to change another file's mode", onPosix, async () => {
  await using home = await privateHome({ "elsewhere/real.json": '{ "mcpServers": {} }' });
  const real = join(home.path, "elsewhere", "real.json");
  await Deno.chmod(real, 0o666);
  await Deno.symlink(real, join(home.path, "mcp.json"));
  await diagnose({ home: home.path }, { fix: true });
  // The file itself is the user's own and is what is used: only a link in its place would not be.
  assertEquals((await Deno.lstat(join(home.path, "mcp.json"))).isSymlink, true);
  assertEquals(await modeOf(real), 0o644);
});

Deno.test("doctor: a mcp.json with secrets that others can read is closed by --fix", onPosix, async () => {
  await using home = await privateHome({
    "mcp.json": '{ "mcpServers": { "a": { "command": "true", "env": { "API_KEY": "12345678" } } } }',
  });
  await Deno.chmod(home.path, 0o755);
  await home.write("health.json", "{}");
  await assertMends({ home: home.path }, "file-readable");
  assertEquals(await modeOf(join(home.path, "mcp.json")), 0o600);
});

Deno.test(
  "doctor: a token that others can read is closed by --fix, with the advice to make a new one",
  onPosix,
  async () => {
    await using home = await privateHome({ token: "x".repeat(43) });
    await Deno.chmod(join(home.path, "token"), 0o644);
    await Deno.chmod(home.path, 0o711);
    const settings = { home: home.path, token: "auto" };
    assertStringIncludes(
      finding(await diagnose(settings), "file-readable").remedy,
      "exai-daemon token rotate",
    );
    await assertMends(settings, "file-readable");
  },
);

Deno.test("doctor: a token that is none is replaced by --fix while no daemon runs", async () => {
  await using home = await privateHome({ token: "short" });
  await assertMends({ home: home.path, token: "auto" }, "token-malformed");
  assertMatch(await Deno.readTextFile(join(home.path, "token")), /^[\w-]{43}\n$/);
});

Deno.test("doctor: a token of another user is not used, and is left as it is", asRoot, async () => {
  await using home = await privateHome({ token: "x".repeat(43) });
  await Deno.chown(join(home.path, "token"), 65534, 65534);
  const { what } = await assertLeaves({ home: home.path, token: "auto" }, "token-foreign");
  assertStringIncludes(what, "belongs to user 65534");
});

Deno.test("doctor: a token that cannot be read is named", async () => {
  await using home = await privateHome({ "token/file": "" });
  await assertLeaves({ home: home.path, token: "auto" }, "token-unreadable");
});

Deno.test("doctor: something in the place of the socket is named", onPosix, async () => {
  await using home = await privateHome({ "daemon.sock": "no socket" });
  await assertLeaves({ home: home.path }, "socket-unusable");
});

Deno.test("doctor: why a daemon could not start for a window is told", async () => {
  await using home = await privateHome({ start_error: "cannot listen on the address\n" });
  const { what } = await assertLeaves({ home: home.path }, "start-failed");
  assertStringIncludes(what, "cannot listen on the address");
});

Deno.test("doctor: windows that may not start a daemon, and none that runs, are named", async () => {
  await using home = await privateHome();
  await assertLeaves({ home: home.path, autostart: false }, "autostart-off");
});

Deno.test("doctor: reports of crashes and damaged databases are named, and are no fault", async () => {
  await using home = await privateHome({ "crashes/crash-1.json": "{}", "exai.db.damaged-1": "" });
  const diagnosis = await diagnose({ home: home.path });
  assertStringIncludes(finding(diagnosis, "crash-reports").what, "crash-1.json");
  assertStringIncludes(finding(diagnosis, "damaged-databases").what, "exai.db.damaged-1");
  assertEquals([diagnosis.ok, diagnosis.code], [true, 0]);
});
