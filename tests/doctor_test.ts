import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { installationHere } from "../lib/doctor/installation_here.ts";
import { applyRepair } from "../lib/doctor/repair.ts";
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

Deno.test("doctor: the command it names mends a home whose path has a quote in it", onPosix, async () => {
  await using around = await privateHome({ "o'neil/health.json": "{}" });
  const home = join(around.path, "o'neil");
  await Deno.chmod(home, 0o755);
  const { remedy } = finding(await diagnose({ home }), "home-open");
  const { success, stderr } = await new Deno.Command("sh", { args: ["-c", remedy] }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals(await modeOf(home), 0o700);
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

Deno.test(
  "doctor: of a mcp.json behind a link the file itself is closed, and the link stays",
  onPosix,
  async () => {
    await using home = await privateHome({ "dotfiles/mcp.json": '{ "mcpServers": {} }' });
    const real = join(home.path, "dotfiles", "mcp.json");
    await Deno.chmod(real, 0o666);
    await Deno.symlink(real, join(home.path, "mcp.json"));
    await assertMends({ home: home.path }, "file-untrusted");
    assertEquals((await Deno.lstat(join(home.path, "mcp.json"))).isSymlink, true);
    assertEquals(await modeOf(real), 0o644);
  },
);

Deno.test(
  "doctor: a shared directory around a mcp.json is not closed to those who share it",
  onPosix,
  async () => {
    await using home = await privateHome({ "team/mcp.json": "{}" });
    await Deno.chmod(join(home.path, "team"), 0o777);
    const config = join(home.path, "team", "mcp.json");
    const { what } = await assertLeaves({ home: home.path, config }, "file-untrusted");
    assertStringIncludes(what, "chmod go-w");
    assertEquals(await modeOf(join(home.path, "team")), 0o777);
  },
);

Deno.test(
  "doctor --fix changes no mode through a link, and none of another user's file",
  asRoot,
  async () => {
    await using home = await privateHome({ real: "", foreign: "" });
    await Deno.symlink(join(home.path, "real"), join(home.path, "link"));
    await Deno.chown(join(home.path, "foreign"), 65534, 65534);
    const installation = installationHere({ settings: defaultSettings({ home: home.path, port: 0 }) }, {
      waitMs: 1000,
      isQuick: true,
    });
    for (const name of ["link", "foreign"]) {
      const path = join(home.path, name);
      const before = await modeOf(path);
      await assertRejects(() => applyRepair({ kind: "chmod", path, mode: 0o600 }, installation), ExaiError);
      assertEquals(await modeOf(path), before);
    }
    await installation.daemon;
  },
);

Deno.test("doctor: a mcp.json with secrets that others can read is closed by --fix", onPosix, async () => {
  await using home = await privateHome({
    "mcp.json": '{ "mcpServers": { "a": { "command": "true", "env": { "API_KEY": "12345678" } } } }',
  });
  await Deno.chmod(home.path, 0o755);
  await Deno.chmod(join(home.path, "mcp.json"), 0o644);
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

Deno.test(
  "doctor: a token that others can write is not used, and is yours alone with --fix",
  onPosix,
  async () => {
    await using home = await privateHome({ token: "x".repeat(43) });
    await Deno.chmod(join(home.path, "token"), 0o666);
    await assertMends({ home: home.path, token: "auto" }, "token-foreign");
    assertEquals(await modeOf(join(home.path, "token")), 0o600);
  },
);

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

Deno.test("doctor: a state directory that is another one in each directory", async () => {
  const { what } = await assertLeaves({ home: ".local/state/exai" }, "home-relative");
  assertStringIncludes(what, ".local/state/exai");
});

Deno.test("doctor: windows that may not start a daemon, and none that runs, are named", async () => {
  await using home = await privateHome();
  await assertLeaves({ home: home.path, autostart: false }, "autostart-off");
});

Deno.test("doctor: reports of crashes and damaged databases are named, and are no fault", async () => {
  await using home = await privateHome({
    "crashes/crash-1.json": "{}",
    "exai.db.damaged-1": "",
    "calls.db": "?",
  });
  const diagnosis = await diagnose({ home: home.path });
  assertStringIncludes(finding(diagnosis, "crash-reports").what, "crash-1.json");
  assertStringIncludes(finding(diagnosis, "damaged-databases").what, "exai.db.damaged-1");
  assertStringIncludes(
    finding(diagnosis, "database-unreadable").what,
    `${home.path}/calls.db is no database`,
  );
  assertEquals([diagnosis.ok, diagnosis.code], [true, 0]);
});
