import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { join } from "@std/path";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { canBeOther, listenAs } from "../helpers/other_user.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";
import { formsOf, PRETENCES, Stranger } from "../helpers/stranger.ts";

const OTHER_UID = 65534;
const DEADLINE_MS = 20_000;
const onUnix = Deno.build.os !== "windows";
const TOKEN = "Sv5p_uZ3nq8xK0yQm2Wc7dLrT4hJ9bEaF1gXi6oYtRw";

/** A home whose daemon has ended and left its token. */
async function homeWithToken(token = TOKEN) {
  const path = await Deno.makeTempDir({ prefix: "exai-home-" });
  await Deno.writeTextFile(join(path, "token"), `${token}\n`, { mode: 0o600 });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}

async function assertNotTold(stranger: Stranger, ...logs: string[]): Promise<void> {
  for (const form of await formsOf(TOKEN)) {
    assert(!stranger.heard.includes(form), `the stranger was told ${form}: ${stranger.heard}`);
    for (const log of logs) assert(!log.includes(form), log);
  }
  const ops = stranger.frames.map(({ op }) => op);
  assert(ops.length > 0 && ops.every((op) => op === "challenge"), `only a challenge is sent, not ${ops}`);
}

function messageIn({ error }: Record<string, unknown>): string {
  return String((error as { message: string }).message);
}

for (const [name, { pretence, said }] of Object.entries(PRETENCES)) {
  Deno.test(`a shim tells a stranger who holds the port nothing, and starts no daemon: one who ${name}`, async () => {
    await using home = await homeWithToken();
    await using stranger = new Stranger(pretence);
    const env = { EXAI_WS_TOKEN: "auto", EXAI_WS_AUTOSTART: "true", LOG_LEVEL: "trace" };
    await using shim = await Shim.start({ port: stranger.port, home: home.path, env });
    const message = messageIn(await shim.ask("initialize", INITIALIZE));
    assertStringIncludes(message, said);
    await shim.end();
    await assertNotTold(stranger, shim.stderr, ...shim.lines);
    assert(!shim.stderr.includes("starting"), shim.stderr);
  });
}

Deno.test("no command of ours tells a stranger the token, and what listens is not taken for a daemon", async () => {
  await using home = await homeWithToken();
  await using stranger = new Stranger(PRETENCES["welcomes everybody"]!.pretence);
  const commands = [
    ["ps"],
    ["calls"],
    ["calls", "--follow"],
    ["reload"],
    ["cancel", "c1"],
    ["kill", "session", "s1"],
    ["--if-not-running"],
  ];
  for (const EXAI_WS_TOKEN of ["auto", TOKEN]) {
    for (const args of commands) {
      // They all ask in one way; where the token is from changes nothing in it.
      if (EXAI_WS_TOKEN !== "auto" && args[0] !== "ps") continue;
      const env = { EXAI_WS_TOKEN, EXAI_WS_PORT: String(stranger.port), LOG_LEVEL: "trace" };
      const { code, stdout, stderr } = await runDaemon({ home: home.path, args, env });
      assertEquals(code, args[0] === "--if-not-running" ? 1 : 3, `${args}: ${stdout}`);
      assertStringIncludes(
        stderr,
        args[0] === "--if-not-running" ? "already in use" : "has not proved",
        `${args}`,
      );
      await assertNotTold(stranger, stdout, stderr);
    }
  }
});

Deno.test("a stranger on the port neither hears of a new token nor keeps it from being made", async () => {
  await using home = await homeWithToken();
  await using stranger = new Stranger(PRETENCES["welcomes everybody"]!.pretence);
  const env = { EXAI_WS_TOKEN: "auto", EXAI_WS_PORT: String(stranger.port), LOG_LEVEL: "trace" };
  const { code, stdout, stderr } = await runDaemon({ home: home.path, args: ["token", "rotate"], env });
  assertEquals(code, 0, stderr);
  assertEquals(stranger.heard, "");
  const made = (await Deno.readTextFile(join(home.path, "token"))).trim();
  assert(made !== TOKEN && made.length > 40);
  assert(!`${stdout}${stderr}`.includes(made));
});

Deno.test("a window whose daemon ends tells a stranger on its port nothing, and goes on with the next daemon", async () => {
  await using home = await homeWithToken();
  const env = { EXAI_WS_TOKEN: "auto", EXAI_SOCKET: "off", LOG_LEVEL: "trace" };
  const shimEnv = { ...env, EXAI_WS_AUTOSTART: "false" };
  let port: number;
  let shim: Shim;
  {
    await using daemon = await startDaemon({ home: home.path, env });
    port = Number(new URL(daemon.url).port);
    shim = await Shim.ready({ port, home: home.path, env: shimEnv });
    assertEquals((await shim.call("version")).error, undefined);
  }
  await using _shim = shim;
  {
    await using stranger = new Stranger(PRETENCES["makes proofs up"]!.pretence, port);
    assertStringIncludes(messageIn(await shim.call("version")), "has not proved");
    await assertNotTold(stranger, shim.stderr);
  }
  await using _next = await startDaemon({ home: home.path, env: { ...env, EXAI_WS_PORT: String(port) } });
  // Refused for as long as the last thing known of the port is that a stranger has it.
  const served = async () => {
    while ((await shim.call("version")).error);
  };
  await deadline(served(), DEADLINE_MS);
});

Deno.test("a stranger on another port cannot pass the exchange on to the daemon", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  await using relay = new CuttingProxy(Number(new URL(it.url).port), () => Infinity);
  const env = { EXAI_WS_TOKEN: TOKEN, LOG_LEVEL: "trace" };
  await using shim = await Shim.start({ port: relay.port, env });
  const message = messageIn(await shim.ask("initialize", INITIALIZE));
  assertStringIncludes(message, `it listens at ${it.url.replace(/\/$/, "")}: another program passes`);
  assertStringIncludes(message, "keep its number, or use TLS");
  const { code, stderr } = await runDaemon({
    args: ["ps"],
    env: { ...env, EXAI_WS_PORT: String(relay.port) },
  });
  assertEquals(code, 3);
  assertStringIncludes(stderr, "another program passes");
  assertEquals(it.daemon.health().sessions, 0);
});

Deno.test("with another token than the daemon's the shim is answered with UNAUTHORIZED and what to do", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  const env = { EXAI_WS_TOKEN: "quite another token" };
  await using shim = await Shim.start({ port: Number(new URL(it.url).port), env });
  const answer = await shim.ask("initialize", INITIALIZE);
  assertStringIncludes(messageIn(answer), "Give this window the daemon's EXAI_WS_TOKEN");
  const { code } = (answer.error as { data: { code: string } }).data;
  assertEquals(code, "UNAUTHORIZED");
});

Deno.test("with EXAI_WS_TOKEN=auto and no token yet, nothing is said to who holds the port", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-home-" });
  {
    await using stranger = new Stranger(PRETENCES["welcomes everybody"]!.pretence);
    const env = { EXAI_WS_TOKEN: "auto", EXAI_WS_AUTOSTART: "true" };
    await using shim = await Shim.start({ port: stranger.port, home, env });
    assertStringIncludes(messageIn(await shim.ask("initialize", INITIALIZE)), "there is no token in");
    assertEquals(stranger.frames, []);
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("a daemon that a shim starts proves itself with the token it has just made", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-home-" });
  const env = { EXAI_WS_TOKEN: "auto", EXAI_WS_AUTOSTART: "true", LOG_LEVEL: "trace" };
  {
    await using shim = await Shim.ready({ port: 0, home, env });
    assertEquals((await shim.call("version")).error, undefined);
    const token = (await Deno.readTextFile(join(home, "token"))).trim();
    assert(!shim.stderr.includes(token));
  }
  const { pid } = JSON.parse(await Deno.readTextFile(join(home, "daemon.json")));
  Deno.kill(pid, "SIGTERM");
  const ended = async () => {
    while (await Deno.stat(join(home, "daemon.json")).then(() => true, () => false));
  };
  await deadline(ended(), DEADLINE_MS);
  await Deno.remove(home, { recursive: true }).catch(() => {});
});

Deno.test("without a token a shim and commands say nothing to another user's program on the port", {
  ignore: !canBeOther,
}, async () => {
  await using foreign = await listenAs(OTHER_UID, "127.0.0.1");
  await using shim = await Shim.start({ port: foreign.port, env: { EXAI_WS_AUTOSTART: "true" } });
  const message = messageIn(await shim.ask("initialize", INITIALIZE));
  for (const part of ["another user's program listens", "EXAI_WS_TOKEN=auto", "EXAI_WS_PORT"]) {
    assertStringIncludes(message, part);
  }
  assert(!shim.stderr.includes("starting"), shim.stderr);
  const { code, stderr } = await runDaemon({ args: ["ps"], env: { EXAI_WS_PORT: String(foreign.port) } });
  assertEquals(code, 3);
  assertStringIncludes(stderr, "another user's program listens");
  const shared = { EXAI_WS_PORT: String(foreign.port), EXAI_WS_PEERS: "any" };
  assert(!(await runDaemon({ args: ["ps"], env: shared })).stderr.includes("another user"), "meant so");
});

Deno.test(
  "a socket of another user, or where others may put theirs, is passed by",
  { ignore: !canBeOther },
  async () => {
    const settings = { token: TOKEN };
    await using it = await testDaemon({ settings });
    const socket = it.daemon.socket!;
    const env = { EXAI_WS_TOKEN: TOKEN, LOG_LEVEL: "debug" };
    const port = Number(new URL(it.url).port);
    const goesPast = async (why: string) => {
      await using shim = await Shim.ready({ port, home: it.home, env });
      assertStringIncludes(shim.stderr, why);
    };
    await Deno.chown(socket, OTHER_UID, OTHER_UID);
    await goesPast(`not through ${socket}: it belongs to user 65534`);
    await Deno.chown(socket, 0, 0);
    await Deno.chmod(it.home, 0o777);
    // Where the socket is stands in a file of the same directory, which is not believed either.
    await goesPast(`daemon.json is not believed: others may write to ${it.home}`);
    await Deno.chmod(it.home, 0o700);
    await Deno.rename(socket, `${socket}.real`);
    await Deno.symlink(`${socket}.real`, socket);
    await goesPast(`not through ${socket}: it is no socket`);
  },
);

Deno.test(
  "a stale socket leaves the address, where the daemon must prove itself too",
  { ignore: !onUnix },
  async () => {
    await using home = await homeWithToken();
    const env = { EXAI_WS_TOKEN: "auto", LOG_LEVEL: "debug" };
    await using stranger = new Stranger(PRETENCES["welcomes everybody"]!.pretence);
    {
      await using killed = await startDaemon({ home: home.path, env });
      killed.process.kill("SIGKILL");
      await killed.process.status;
    }
    const socket = join(home.path, "daemon.sock");
    assert((await Deno.lstat(socket)).isSocket);
    const shimEnv = { ...env, EXAI_SOCKET: socket };
    await using shim = await Shim.start({ port: stranger.port, home: home.path, env: shimEnv });
    assertStringIncludes(messageIn(await shim.ask("initialize", INITIALIZE)), "has not proved");
    await assertNotTold(stranger, shim.stderr);
  },
);

const DISTRUSTED: [string, (path: string) => Promise<void>][] = [
  ["of another user", (path) => Deno.chown(path, OTHER_UID, OTHER_UID)],
  ["that others can write", (path) => Deno.chmod(path, 0o666)],
];
for (const [what, make] of DISTRUSTED) {
  Deno.test(`a daemon.json or token ${what} is not believed`, { ignore: !canBeOther }, async () => {
    await using home = await homeWithToken();
    await using stranger = new Stranger(PRETENCES["welcomes everybody"]!.pretence);
    const endpoint = join(home.path, "daemon.json");
    const url = `ws://127.0.0.1:${stranger.port}/`;
    await Deno.writeTextFile(endpoint, JSON.stringify({ url, pid: Deno.pid }));
    await make(endpoint);
    const ps = (env: Record<string, string>) => runDaemon({ home: home.path, args: ["ps"], env });
    const first = await ps({});
    assertEquals(first.code, 3);
    assertStringIncludes(first.stderr, "is not believed");
    await make(join(home.path, "token"));
    const second = await ps({ EXAI_WS_TOKEN: "auto", EXAI_WS_PORT: String(stranger.port) });
    assertEquals(second.code, 3);
    assertStringIncludes(second.stderr, "is not believed");
    assertEquals(stranger.frames, []);
  });
}
