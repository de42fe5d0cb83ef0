import { ScriptedAuth } from "./helpers/scripted_auth.ts";
import "reflect-metadata";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import * as x509 from "@peculiar/x509";
import { placesOf } from "../lib/config/client_places.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { diskFindings } from "../lib/doctor/check_disk.ts";
import { namedProxies } from "../lib/doctor/check_network.ts";
import { notGiven } from "../lib/doctor/check_port.ts";
import { shimFindings } from "../lib/doctor/check_system.ts";
import { examine } from "../lib/doctor/checks.ts";
import { describeRepair } from "../lib/doctor/finding.ts";
import type { DaemonState } from "../lib/doctor/installation.ts";
import { installationHere } from "../lib/doctor/installation_here.ts";
import { assertLeaves, diagnose, finding, privateHome } from "./helpers/doctor.ts";

const onPosix = { ignore: Deno.build.os === "windows" };

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
    "cert.pem": await certificate(-1),
  });
  const [tlsCert, tlsKey] = [join(home.path, "cert.pem"), join(home.path, "key.pem")];
  await Deno.chmod(tlsKey, 0o644);
  const settings = { home: home.path, tlsCert, tlsKey };
  assertStringIncludes(finding(await diagnose(settings), "tls-unusable").what, `chmod 600 ${tlsKey}`);
  await Deno.chmod(tlsKey, 0o600);
  assertStringIncludes(finding(await diagnose(settings), "certificate-expired").remedy, "exai-daemon certs");
  await home.write("cert.pem", await certificate(3));
  assertEquals(finding(await diagnose(settings), "certificate-expires").severity, "warning");
  await home.write("cert.pem", await certificate(300, new Date(Date.now() + 200 * 86_400_000)));
  assertStringIncludes(finding(await diagnose(settings), "certificate-early").remedy, "clock");
  await home.write("cert.pem", await certificate(300));
  assertEquals((await diagnose(settings)).findings, []);
});

/** One that is good for `days` from now. */
async function certificate(days: number, notBefore = new Date("2020-01-01")): Promise<string> {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=old.example",
    notBefore,
    notAfter: new Date(Date.now() + days * 86_400_000),
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

Deno.test("doctor: a server that needs a login is no broken one", async () => {
  await using auth = new ScriptedAuth();
  const servers = { files: { url: auth.url, type: "http", era: "legacy" } };
  await using home = await privateHome({ "mcp.json": JSON.stringify({ mcpServers: servers }) });
  const diagnosis = await diagnose({ home: home.path }, { quick: false });
  const { what, remedy, severity } = finding(diagnosis, "login-required") as unknown as Record<
    string,
    string
  >;
  assertMatch(what!, /server "files" needs you to sign in/);
  assertEquals(what!.includes("; run"), false, "the remedy says it");
  assertEquals([remedy, severity], ["exai-daemon auth login files", "warning"]);
});

Deno.test(
  "doctor: a server is sent what its headersHelper prints, which is named where that is refused",
  onPosix,
  async () => {
    const sent = new Set<string | null>();
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      sent.add(request.headers.get("authorization"));
      return new Response("no", { status: 401 });
    });
    const headersHelper = ["echo", '{"Authorization": "Bearer printed"}'];
    const servers = {
      corp: { url: `http://127.0.0.1:${server.addr.port}/mcp`, headersHelper, oauth: false },
    };
    await using home = await privateHome({ "mcp.json": JSON.stringify({ mcpServers: servers }) });
    const { remedy } = finding(await diagnose({ home: home.path }, { quick: false }), "server-fails");
    assertStringIncludes(remedy, "its headersHelper in a terminal");
    // The check of the clock asks it without.
    assert(sent.has("Bearer printed"), String([...sent]));
  },
);

Deno.test("doctor: faults in mcp.json, models.json and clink.json have their line", async () => {
  await using home = await privateHome({
    "mcp.json": '{\n  "mcpServers": {\n    "a": { "command": "true", "args": 5 }\n  }\n}',
    "models.json": '{\n  "models": [}\n',
    "clink.json": '{\n  "agents": {"mine": {}}\n}',
  });
  const diagnosis = await diagnose({ home: home.path });
  assertStringIncludes(finding(diagnosis, "servers-file").what, `${home.path}/mcp.json:3:`);
  assertStringIncludes(finding(diagnosis, "models-file").what, `${home.path}/models.json:2:`);
  assertStringIncludes(finding(diagnosis, "clink-file").what, `${home.path}/clink.json:2:`);
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
  await using home = await privateHome({ server: "#!/bin/sh" });
  await home.write(
    "mcp.json",
    JSON.stringify({
      mcpServers: {
        gone: { command: "uvxx" },
        lost: { command: "true", cwd: "/no/such/directory" },
        closed: { command: join(home.path, "server") },
      },
    }),
  );
  const diagnosis = await diagnose({ home: home.path }, { quick: false });
  assertStringIncludes(finding(diagnosis, "program-missing").what, 'its program "uvxx" is in no directory');
  assertStringIncludes(finding(diagnosis, "program-missing").remedy, "did you mean uvx");
  assertStringIncludes(finding(diagnosis, "server-directory-missing").what, "/no/such/directory");
  if (Deno.build.os !== "windows") {
    assertStringIncludes(
      finding(diagnosis, "program-not-executable").remedy,
      `chmod u+x '${home.path}/server'`,
    );
  }
  assertEquals(diagnosis.code, 1);
});

Deno.test("doctor: clients whose EXAI is not there, another one, or set up in vain, and servers they start once more", async () => {
  const exai = {
    command: "/no/such/exai-shim",
    args: [],
    env: { EXAI_HOME: "/another/home", KIMI_API_KEY: "k" },
  };
  const off = { a: { command: "true", disabled: true }, b: { command: "true", enabled: false } };
  await using home = await privateHome({
    ".claude.json": JSON.stringify({
      mcpServers: { exai, files: { command: "true" }, mine: { command: "true" }, ...off },
    }),
    ".cursor/mcp.json": '{\n  "mcpServers": [\n',
    "mcp.json": JSON.stringify({
      mcpServers: { files: { command: "true" }, a: { command: "true" }, b: { command: "true" } },
    }),
  });
  const diagnosis = await diagnose({ home: home.path });
  const missing = finding(diagnosis, "client-program-missing");
  assertStringIncludes(missing.what, '"exai" of Claude Code');
  assertStringIncludes(missing.what, "starts /no/such/exai-shim");
  assertMatch(missing.remedy, /^write where exai-shim is now: \S+ run -A \S+shim\.ts$/);
  assertStringIncludes(finding(diagnosis, "client-other-home").what, "/another/home");
  assertStringIncludes(
    finding(diagnosis, "client-settings").remedy,
    `"kimiApiKey": "..." } into ${home.path}/exai.json`,
  );
  assertStringIncludes(finding(diagnosis, "client-doubles").what, "starts files once more by itself");
  assertStringIncludes(finding(diagnosis, "client-file").what, `${home.path}/.cursor/mcp.json line `);
});

Deno.test("doctor: a client that has its servers from this EXAI, and one that has its own, are no finding", async () => {
  await using home = await privateHome({ "bin/exai-shim": "", "mcp.json": "" });
  const exai = { command: join(home.path, "bin", "exai-shim"), env: { EXAI_HOME: home.path } };
  await home.write(".claude.json", JSON.stringify({ mcpServers: { exai, mine: { command: "true" } } }));
  await home.write(".cursor/mcp.json", JSON.stringify({ mcpServers: { files: { command: "true" } } }));
  assertEquals((await diagnose({ home: home.path })).findings, []);
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

Deno.test("doctor: a port that the system keeps", () => {
  const settings = defaultSettings({ port: 80 });
  const { id, remedy } = notGiven(settings, new Deno.errors.PermissionDenied("not for you"));
  assertEquals(id, "port-denied");
  assertStringIncludes(remedy, "excludedportrange");
});

Deno.test("doctor: a shim that may not be run, or cannot be", onPosix, async () => {
  await using dir = await privateHome({ "exai-shim": "#!/no/such/interpreter\n" });
  const path = join(dir.path, "exai-shim");
  await Deno.chmod(path, 0o644);
  const shim = { path, command: path, args: ["--version"] };
  const [closed] = await shimFindings(shim);
  assertEquals(closed?.id, "shim-not-executable");
  assertEquals(closed?.repairs, [{ kind: "chmod", path, mode: 0o744 }]);
  await Deno.chmod(path, 0o755);
  assertEquals((await shimFindings(shim)).map(({ id }) => id), ["shim-broken"]);
});

Deno.test("doctor: a check that fails itself is told, and the others go on", async () => {
  await using home = await privateHome({ "mcp.json": "{ nothing" });
  const installation = installationHere({ settings: defaultSettings({ home: home.path }) }, {
    waitMs: 1000,
    isQuick: true,
    places: placesOf({}, "linux", home.path),
  });
  await installation.daemon;
  const daemon = Promise.reject<DaemonState>(new Error("no idea"));
  const findings = (await examine({ ...installation, daemon })).flatMap(({ findings }) => findings);
  assert(findings.some(({ id, what }) => id === "check-failed" && what.includes("no idea")));
  assert(findings.some(({ id }) => id === "servers-file"));
});

Deno.test("doctor shows no password of a proxy, however it is written", () => {
  for (const value of ["http://ada:se/cr@et@proxy:1", "ada:secret@proxy:1", "socks5://ada:secret@[::1]:1"]) {
    const [proxy] = namedProxies({ HTTPS_PROXY: value });
    assert(!/cr|et/.test(proxy!.shown), proxy!.shown);
  }
  assertEquals(namedProxies({ HTTP_PROXY: "", NO_PROXY: "x", https_proxy: "proxy:1" }).length, 1);
});

Deno.test("doctor says what --fix does in words", () => {
  assertEquals(describeRepair({ kind: "chmod", path: "/h", mode: 0o700 }), "chmod 700 /h");
  assertEquals(describeRepair({ kind: "stop daemon", pid: 7 }), "stop the daemon (process 7)");
  assert(describeRepair({ kind: "remove", path: "/h/x" }).includes("/h/x"));
});

Deno.test("every fault that doctor knows is planted in a test", async () => {
  const root = fromFileUrl(new URL("..", import.meta.url));
  const textsOf = async (dir: string, isWanted: (name: string) => boolean) => {
    const names = await Array.fromAsync(Deno.readDir(join(root, dir)), ({ name }) => name);
    return await Promise.all(names.filter(isWanted).map((name) => Deno.readTextFile(join(root, dir, name))));
  };
  const source = (await textsOf("lib/doctor", () => true)).join("\n");
  const isTest = (name: string) => /^doctor.*_test\.ts$/.test(name);
  const tests = [...await textsOf("tests", isTest), ...await textsOf("tests/long", isTest)].join("\n");
  const ids = new Set(Array.from(source.matchAll(/\b(?:fault|warning)\(\s*"([a-z-]+)"/g), ([, id]) => id!));
  assert(ids.size > 30, [...ids].join(" "));
  assertEquals([...ids].filter((id) => !tests.includes(`"${id}"`)), []);
});
