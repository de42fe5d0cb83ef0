import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import process from "node:process";
import { redact } from "../lib/base/secrets.ts";
import { statePaths } from "../lib/config/paths.ts";
import { type AddressSettings, locateDaemon } from "../lib/client/address.ts";
import { isLocal, urlOf } from "../lib/client/daemon_url.ts";
import { LinkError } from "../lib/client/link_target.ts";
import { tempDir } from "./helpers/files.ts";

const SETTINGS: AddressSettings = {
  host: "127.0.0.1",
  port: 8765,
  token: "",
  peers: "own",
  socket: "auto",
  tlsCa: "",
  tlsClientCert: "",
  tlsClientKey: "",
};

/** A state directory with `files`, and where its windows look for the daemon. */
async function home(files: Record<string, string> = {}) {
  const dir = await tempDir(files);
  await Deno.chmod(dir.path, 0o700);
  const paths = statePaths({ home: dir.path });
  return {
    paths,
    locate: (settings: Partial<AddressSettings> = {}) => locateDaemon({ ...SETTINGS, ...settings }, paths),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

function endpoint(parts: Record<string, unknown> = {}): Record<string, string> {
  const text = { url: "ws://127.0.0.1:8765/", pid: Deno.pid, socket: "/run/d.sock", ...parts };
  return { "daemon.json": JSON.stringify(text) };
}

async function faultOf(work: Promise<unknown>): Promise<[string, string]> {
  const { fault, message } = await assertRejects(() => work, LinkError);
  return [fault, message];
}

Deno.test("the address of a daemon is a URL, and one that listens everywhere is reached on loopback", () => {
  const cases: [string, string, string][] = [
    ["", "", "ws://127.0.0.1:8765/"],
    ["0.0.0.0", "", "ws://127.0.0.1:8765/"],
    ["::", "", "ws://127.0.0.1:8765/"],
    ["LocalHost", "", "ws://127.0.0.1:8765/"],
    ["127.0.0.2", "", "ws://127.0.0.2:8765/"],
    ["::1", "", "ws://[::1]:8765/"],
    ["box.example", "ca.pem", "wss://box.example:8765/"],
  ];
  for (const [host, tlsCa, url] of cases) assertEquals(urlOf({ host, port: 8765, tlsCa }), url);
});

Deno.test("a daemon can be started here where its host means this machine", () => {
  const here = ["", "0.0.0.0", "::", "127.0.0.1", "::1", "localhost"];
  assertEquals([...here, "10.0.0.1", "box.example"].filter(isLocal), here);
});

Deno.test("the socket is that of the daemon the settings mean, the one they name, or none", async () => {
  await using it = await home(endpoint());
  const socket = async (settings: Partial<AddressSettings>) => (await it.locate(settings)).socket;
  assertEquals(await socket({}), "/run/d.sock");
  assertEquals(await socket({ port: 0 }), "/run/d.sock");
  assertEquals(await socket({ port: 9000 }), undefined, "another daemon");
  assertEquals(await socket({ port: 876 }), undefined);
  assertEquals(await socket({ host: "box.example" }), undefined, "another machine");
  assertEquals(await socket({ socket: "off" }), undefined);
  assertEquals(await socket({ socket: "/run/mine.sock", host: "box.example" }), "/run/mine.sock");
  await using odd = await home(endpoint({ socket: 7 }));
  assertEquals((await odd.locate()).socket, undefined);
  for (const text of ["", "no JSON", "[]", "null"]) {
    await using none = await home({ "daemon.json": text });
    const { socket, fallback: elsewhere } = await none.locate();
    assertEquals([socket, elsewhere], [undefined, undefined], text);
  }
});

Deno.test("the daemon of the state directory is the one to use elsewhere, if this machine is meant", async () => {
  await using it = await home(endpoint());
  assertEquals((await it.locate()).fallback, undefined, "it is where it should be");
  assertEquals((await it.locate({ port: 0 })).fallback, undefined);
  assertEquals((await it.locate({ port: 9000, host: "box.example" })).fallback, undefined);
  const { fallback: elsewhere, readUrl } = await it.locate({ port: 9000 });
  assertEquals(
    [elsewhere!.socket, await elsewhere!.readUrl(), await readUrl()],
    ["/run/d.sock", "ws://127.0.0.1:8765/", "ws://127.0.0.1:9000/"],
  );
  assertEquals((await it.locate({ port: 9000, socket: "off" })).fallback!.socket, undefined);
  await using none = await home();
  assertEquals((await none.locate({ port: 9000 })).fallback, undefined);
  await using odd = await home(endpoint({ url: 7 }));
  const [fault, message] = await faultOf((await odd.locate({ port: 9000 })).fallback!.readUrl());
  assertEquals([fault, message], ["refused", `no daemon has written its address to ${odd.paths.endpoint}`]);
});

Deno.test("a port the system chose is read from what the daemon wrote, if that daemon lives", async () => {
  await using it = await home(endpoint());
  assertEquals(await (await it.locate({ port: 0 })).readUrl(), "ws://127.0.0.1:8765/");
  await using none = await home();
  const [fault, message] = await faultOf((await none.locate({ port: 0 })).readUrl());
  assertEquals([fault, message], ["refused", `no daemon has written its address to ${none.paths.endpoint}`]);
  await using old = await home(endpoint({ pid: undefined }));
  assertEquals(await (await old.locate({ port: 0 })).readUrl(), "ws://127.0.0.1:8765/");
});

Deno.test("a daemon that is gone is not looked for where it was, one of another user is", async () => {
  await using it = await home(endpoint({ pid: 12345 }));
  const { kill } = process;
  const signals: unknown[] = [];
  const say = (code: string) =>
    process.kill = (...args) => {
      signals.push(args);
      throw Object.assign(new Error(code), { code });
    };
  try {
    say("ESRCH");
    const [fault, message] = await faultOf((await it.locate({ port: 0 })).readUrl());
    assertEquals(fault, "refused");
    assertEquals(message, `the daemon that wrote ${it.paths.endpoint} (process 12345) is gone`);
    say("EPERM");
    assertEquals(await (await it.locate({ port: 0 })).readUrl(), "ws://127.0.0.1:8765/");
  } finally {
    process.kill = kill;
  }
  assertEquals(signals, [[12345, 0], [12345, 0]]);
});

Deno.test("an address that somebody else may have written is not used, and it is said why", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using it = await home(endpoint());
  await Deno.chmod(it.paths.endpoint, 0o666);
  const { fault, readUrl, socket } = await it.locate({ port: 0 });
  assertStringIncludes(fault!, `${it.paths.endpoint} is not believed`);
  assertEquals([socket, await faultOf(readUrl())], [undefined, ["refused", fault!]]);
});

Deno.test("the token is the setting, or what the daemon has made, and no log shows it", async () => {
  await using it = await home({ token: " made-by-the-daemon\n" });
  const token = async (token: string) => await (await it.locate({ token })).readToken();
  assertEquals(redact("made-by-the-daemon set-by-hand"), "made-by-the-daemon set-by-hand");
  assertEquals([await token("auto"), await token("set-by-hand")], ["made-by-the-daemon", "set-by-hand"]);
  assertEquals(await token(""), undefined);
  assertEquals(redact("made-by-the-daemon set-by-hand"), "[secret] [secret]");
  const uses = async (token: string) => (await it.locate({ token })).usesToken;
  assertEquals([await uses("auto"), await uses("set-by-hand"), await uses("")], [true, true, false]);
});

Deno.test("a token that is not there yet proves nothing", async () => {
  for (const files of [{}, { token: "\n" }] as Record<string, string>[]) {
    await using it = await home(files);
    const [fault, message] = await faultOf((await it.locate({ token: "auto" })).readToken());
    assertEquals(fault, "unproven");
    assertStringIncludes(message, `nothing can be proved to or by whoever listens: there is no token in`);
    assertStringIncludes(message, it.paths.token);
  }
  await using odd = await home();
  await Deno.mkdir(odd.paths.token);
  const [, message] = await faultOf((await odd.locate({ token: "auto" })).readToken());
  assertStringIncludes(message, `whoever listens: ${odd.paths.token} cannot be read`);
});

Deno.test("whose daemon it may be, and what TLS needs, is what the settings say", async () => {
  await using it = await home({ "ca.pem": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" });
  const own = await it.locate();
  assertEquals([own.allowsAnyUser, await own.readTls!(), own.fault], [false, undefined, undefined]);
  assertEquals((await it.locate({ peers: "any" })).allowsAnyUser, true);
  const tlsCa = `${it.paths.home}/ca.pem`;
  assertEquals((await (await it.locate({ tlsCa })).readTls!())?.caCerts?.length, 1);
});
