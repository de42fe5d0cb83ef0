import "reflect-metadata";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import * as x509 from "@peculiar/x509";
import { diskFindings } from "../lib/doctor/check_disk.ts";
import { describeRepair } from "../lib/doctor/finding.ts";
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

Deno.test("doctor: a port that another program has is named with the program and a free one", async () => {
  await using home = await privateHome();
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using server = Deno.serve(options, () => new Response("another program"));
  const { port } = server.addr;
  const { what, remedy } = await assertLeaves({ home: home.path, port }, "port-taken");
  assertStringIncludes(what, `port ${port} is taken by another program`);
  if (Deno.build.os === "linux") assertStringIncludes(what, `process ${Deno.pid}`);
  assertMatch(remedy, /EXAI_WS_PORT \(port in exai\.json\) to another port \(\d+ is free\)/);
});

Deno.test("doctor: an address that this machine has not got, and one open to others without protection", async () => {
  await using home = await privateHome();
  const diagnosis = await diagnose({ home: home.path, host: "192.0.2.1", port: 9 });
  finding(diagnosis, "address-missing");
  assertStringIncludes(finding(diagnosis, "address-exposed").what, "EXAI_WS_TOKEN=auto");
});

Deno.test("doctor: a certificate that has expired, and a key that others can read", onPosix, async () => {
  await using home = await privateHome({
    "key.pem": "-----BEGIN PRIVATE KEY-----",
    "cert.pem": await expired(),
  });
  const [tlsCert, tlsKey] = [join(home.path, "cert.pem"), join(home.path, "key.pem")];
  await Deno.chmod(tlsKey, 0o644);
  const settings = { home: home.path, tlsCert, tlsKey };
  assertStringIncludes(finding(await diagnose(settings), "tls-unusable").what, `chmod 600 ${tlsKey}`);
  await Deno.chmod(tlsKey, 0o600);
  assertStringIncludes(finding(await diagnose(settings), "certificate-expired").remedy, "exai-daemon certs");
});

async function expired(): Promise<string> {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=old.example",
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2021-01-01"),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    keys,
  });
  return cert.toString("pem");
}

Deno.test("doctor: files that were written in the future show a clock that was set back", async () => {
  await using home = await privateHome({ "health.json": "{}" });
  const tomorrow = Date.now() / 1000 + 86_400;
  await Deno.utime(join(home.path, "health.json"), tomorrow, tomorrow);
  const { what } = await assertLeaves({ home: home.path }, "clock-set-back");
  assertStringIncludes(what, "24 hours");
});

Deno.test("doctor: the clock of a server behind a URL shows that this machine's is off", async () => {
  const date = new Date(Date.now() - 3 * 86_400_000).toUTCString();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(null, { status: 404, headers: { date } }),
  );
  await using home = await privateHome({
    "mcp.json": JSON.stringify({ mcpServers: { far: { url: `http://127.0.0.1:${server.addr.port}/mcp` } } }),
  });
  const diagnosis = await diagnose({ home: home.path }, { quick: false });
  await server.shutdown();
  const { what, remedy } = finding(diagnosis, "clock-off");
  assertStringIncludes(what, "3 days ahead of");
  assertStringIncludes(remedy, "timedatectl");
});

Deno.test("doctor: faults in mcp.json and models.json have their line", async () => {
  await using home = await privateHome({
    "mcp.json": '{\n  "mcpServers": {\n    "a": { "command": "true", "args": 5 }\n  }\n}',
    "models.json": '{\n  "models": [}\n',
  });
  const diagnosis = await diagnose({ home: home.path });
  assertStringIncludes(finding(diagnosis, "servers-file").what, `${home.path}/mcp.json:3:`);
  assertStringIncludes(finding(diagnosis, "models-file").what, `${home.path}/models.json:2:`);
});

Deno.test("doctor: a variable that is not set is named with its server", async () => {
  await using home = await privateHome({
    "mcp.json": JSON.stringify({
      mcpServers: { a: { command: "true", args: ["${env:EXAI_NOT_SET_ANYWHERE}"] } },
    }),
  });
  const { what } = await assertLeaves({ home: home.path }, "variable-unset");
  assertStringIncludes(what, 'server "a"');
  assertStringIncludes(what, "EXAI_NOT_SET_ANYWHERE");
});

Deno.test("doctor: servers whose program or directory is missing are named, with where to get it", async () => {
  await using home = await privateHome({
    "mcp.json": JSON.stringify({
      mcpServers: {
        gone: { command: "exai-no-such-program" },
        lost: { command: "true", cwd: "/no/such/directory" },
      },
    }),
  });
  const diagnosis = await diagnose({ home: home.path }, { quick: false });
  assertStringIncludes(finding(diagnosis, "program-missing").what, "exai-no-such-program");
  assertStringIncludes(finding(diagnosis, "program-missing").remedy, "install it");
  assertStringIncludes(finding(diagnosis, "server-directory-missing").what, "/no/such/directory");
  assertEquals(diagnosis.code, 1);
});

Deno.test("doctor: a disk that is full, nearly full, out of inodes or without locks", () => {
  const disk = { dir: "/h", what: "the state directory", type: 0xef53, freeBytes: 1e10, freeFiles: 1000 };
  const idsOf = (more: Partial<typeof disk>) => diskFindings({ ...disk, ...more }).map(({ id }) => id);
  assertEquals(idsOf({}), []);
  assertEquals(idsOf({ freeBytes: 0 }), ["disk-full"]);
  assertEquals(idsOf({ freeBytes: 5e7 }), ["disk-low"]);
  assertEquals(idsOf({ freeFiles: 0 }), ["disk-full"]);
  assertEquals(idsOf({ type: 0x6969 }), ["disk-network"]);
  assertEquals(idsOf({ type: 0x01021997, what: "temporary files" }), []);
});

Deno.test("doctor says what --fix does in words", () => {
  assertEquals(describeRepair({ kind: "chmod", path: "/h", mode: 0o700 }), "chmod 700 /h");
  assertEquals(describeRepair({ kind: "stop daemon", pid: 7 }), "stop the daemon (process 7)");
  assert(describeRepair({ kind: "remove", path: "/h/x" }).includes("/h/x"));
});
