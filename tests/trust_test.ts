// deno-lint-ignore-file no-sync-fn-in-async-fn -- a few files of a test
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { readTokenFile } from "../lib/edge/token.ts";
import { ensureStateDir } from "../lib/state/state_files.ts";
import { loadSettings } from "../lib/config/load.ts";
import { readClink } from "../lib/config/clink_file.ts";
import { readModels } from "../lib/config/models_file.ts";
import { statePaths } from "../lib/config/paths.ts";
import { readServers } from "../lib/config/servers.ts";
import { loadServerTls } from "../lib/config/tls.ts";
import { whyUntrusted } from "../lib/config/trust.ts";
import { assertServes } from "./helpers/daemon.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { runDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";

const isWindows = Deno.build.os === "windows";
const isRoot = !isWindows && Deno.uid() === 0;
const NOBODY = 65534;

async function inDir(work: (dir: string) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "exai-trust-" });
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function put(path: string, text = "{}", mode = 0o600): string {
  Deno.writeTextFileSync(path, text);
  Deno.chmodSync(path, mode);
  return path;
}

Deno.test({
  name: "a file is trusted when nobody but its user and root can change it, whatever way leads there",
  ignore: isWindows,
  fn: () =>
    inDir((dir) => {
      const file = put(`${dir}/it's`);
      for (const mode of [0o600, 0o644, 0o444, 0o755]) {
        Deno.chmodSync(file, mode);
        assertEquals(whyUntrusted(file), undefined, mode.toString(8));
      }
      for (const mode of [0o666, 0o602, 0o646]) {
        Deno.chmodSync(file, mode);
        assertEquals(
          whyUntrusted(file),
          `others may write to ${file} (mode ${
            mode.toString(8)
          }); make it yours alone: chmod go-w '${dir}/it'\\''s'`,
        );
      }
      Deno.chmodSync(file, 0o600);
      Deno.mkdirSync(`${dir}/open`);
      Deno.chmodSync(`${dir}/open`, 0o777);
      const inside = put(`${dir}/open/f`);
      assertStringIncludes(whyUntrusted(inside)!, `others may write to ${dir}/open (mode 777)`);
      Deno.symlinkSync(inside, `${dir}/link`);
      assertStringIncludes(whyUntrusted(`${dir}/link`)!, `others may write to ${dir}/open`, "through a link");
      Deno.symlinkSync(file, `${dir}/open/link`);
      assertStringIncludes(
        whyUntrusted(`${dir}/open/link`)!,
        `others may write to ${dir}/open`,
        "a link there",
      );
      Deno.mkdirSync(`${dir}/open/closed/home`, { recursive: true, mode: 0o700 });
      const deep = put(`${dir}/open/closed/home/f`);
      assertStringIncludes(whyUntrusted(deep)!, `others may write to ${dir}/open`, "far above it");
      Deno.symlinkSync(file, `${dir}/open/second`);
      Deno.symlinkSync("open/second", `${dir}/first`);
      assertStringIncludes(whyUntrusted(`${dir}/first`)!, `${dir}/open (mode 777)`, "a link to a link");
      Deno.symlinkSync(`${dir}/open/closed/home`, `${dir}/home`);
      assertStringIncludes(
        whyUntrusted(`${dir}/home/f`)!,
        `others may write to ${dir}/open`,
        "a directory's link",
      );
      Deno.chmodSync(`${dir}/open`, 0o1777);
      for (const path of [deep, `${dir}/first`, `${dir}/home/f`]) assertEquals(whyUntrusted(path), undefined);
      assertEquals(whyUntrusted(inside), undefined, "the sticky bit keeps others from replacing it");
      assertEquals(whyUntrusted(`${dir}/none`), undefined, "what is not there does no harm");
    }),
});

Deno.test({
  name: "a file of another user or a foreign group is not trusted",
  ignore: !isRoot,
  fn: () =>
    inDir((dir) => {
      const file = put(`${dir}/f`);
      Deno.chownSync(file, 12345, 12345);
      assertStringIncludes(
        whyUntrusted(file)!,
        "belongs to user 12345, not to you (user 0); make it yours: chown 0",
      );
      Deno.chownSync(file, 0, 12345);
      Deno.chmodSync(file, 0o660);
      assertStringIncludes(whyUntrusted(file)!, `group 12345 may write to ${file} (mode 660); `);
      Deno.chownSync(file, 0, 0);
      assertEquals(whyUntrusted(file), undefined, "a group of the user's own is the user");
      Deno.mkdirSync(`${dir}/theirs`);
      const inside = put(`${dir}/theirs/f`);
      Deno.chownSync(`${dir}/theirs`, NOBODY, NOBODY);
      assertStringIncludes(whyUntrusted(inside)!, `${dir}/theirs belongs to user ${NOBODY}`);
      Deno.mkdirSync(`${dir}/shared`);
      Deno.chmodSync(`${dir}/shared`, 0o1777);
      Deno.mkdirSync(`${dir}/shared/theirs/ours`, { recursive: true });
      const deep = put(`${dir}/shared/theirs/ours/f`);
      Deno.chownSync(`${dir}/shared/theirs`, NOBODY, NOBODY);
      assertStringIncludes(whyUntrusted(deep)!, `${dir}/shared/theirs belongs to user ${NOBODY}`);
    }),
});

Deno.test({
  name:
    "no configuration that others can change is read: mcp.json, models.json, clink.json, .env, what they name, keys, tokens",
  ignore: isWindows,
  fn: () =>
    inDir(async (dir) => {
      const open = (name: string, text: string) => put(`${dir}/${name}`, text, 0o666);
      const reads = `others may write to`;
      const mcp = await readServers(open("mcp.json", '{"mcpServers": {"a": {"command": "c"}}}'));
      assertEquals([mcp.servers.size, mcp.readable], [0, false]);
      assertStringIncludes(mcp.faults[0]!.message, reads);
      const models = await readModels(open("models.json", '{"providers": {"x": {"url": "http://h/"}}}'), {});
      assertEquals([models.providers.length, models.readable], [0, false]);
      assertStringIncludes(models.faults[0]!.message, reads);
      const clink = await readClink(open("clink.json", '{"agents": {"x": {"command": "c"}}}'), {});
      assertEquals([clink.agents.length, clink.readable], [0, false]);
      assertStringIncludes(clink.faults[0]!.message, reads);
      const envFile = open("env", "EXAI_WS_PORT=1\nKEY=x");
      const load = () => loadSettings({ args: [], env: { ENV_FILE: envFile } });
      assertStringIncludes(assertThrows(load, ExaiError).message, reads);
      open(".env", "EXAI_WS_PORT=1");
      assertStringIncludes(
        assertThrows(() => loadSettings({ args: [], env: {}, programDir: dir })).message,
        reads,
      );
      open("secret", "of a file");
      const entries = { a: { command: "c", envFile: "env" }, b: { command: "\${file:secret}" } };
      const named = await readServers(put(`${dir}/good.json`, JSON.stringify({ mcpServers: entries })));
      assertEquals([named.servers.size, named.faults.length], [0, 2]);
      for (const { message } of named.faults) assertStringIncludes(message, reads);
      const tlsCert = open("cert.pem", "-----BEGIN CERTIFICATE-----");
      const tls = { tlsCert, tlsKey: put(`${dir}/key.pem`, "-----BEGIN PRIVATE KEY-----"), tlsClientCa: "" };
      assertStringIncludes((await assertRejects(() => loadServerTls(tls), ExaiError)).message, reads);
      const token = open("token", "a-token-others-know");
      assertStringIncludes((await assertRejects(() => readTokenFile(token), ExaiError)).message, reads);
    }),
});

Deno.test({
  name: "a secret that others can read is warned about",
  ignore: isWindows,
  fn: () =>
    inDir(async (dir) => {
      const text = JSON.stringify({ mcpServers: { a: { command: "c", env: { API_KEY: "k-12345678" } } } });
      const path = put(`${dir}/mcp.json`, text, 0o644);
      assertEquals((await readServers(path)).warnings, [], "the directory keeps them out");
      Deno.chmodSync(dir, 0o755);
      assertStringIncludes((await readServers(path)).warnings[0]!.message, `chmod 600 '${path}'`);
      put(path, text.replace("k-12345678", "${env:HOME}"), 0o644);
      assertEquals((await readServers(path)).warnings, [], "a variable is no secret");
    }),
});

Deno.test({
  name: "a daemon whose mcp.json others can change runs none of it, says so, and goes on with what it had",
  ignore: isWindows,
  fn: async () => {
    const server = (path: string) => ({ command: "sh", args: ["-c", `touch ${path}; exec cat`], cwd: "/" });
    await using it = await mountingDaemon({ good: server("/dev/null") });
    const ran = `${it.home}/ran`;
    await it.write({ evil: server(ran) });
    await Deno.chmod(it.config, 0o666);
    const { faults, unchanged } = await it.reload();
    assertEquals(unchanged, ["good"]);
    assertStringIncludes(String(faults), `chmod go-w '${it.config}'`);
    assertEquals((await it.status()).map(({ server }) => server), ["good"]);
    const health = await (await fetch(new URL("/health", it.http))).json();
    assertStringIncludes(JSON.stringify(health), "others may write to");
    await assertServes(it.url);
    assertEquals(await Deno.stat(ran).then(() => true, () => false), false);
    await Deno.chmod(it.config, 0o600);
    assertEquals(((await it.reload()) as JsonObject).added, ["evil"], "once closed it is read");
  },
});

Deno.test({
  name: "a daemon starts without an mcp.json of another user, and not with a home of one",
  ignore: !isRoot,
  fn: async () => {
    await inDir(async (home) => {
      const ran = `${home}/ran`;
      const servers = { evil: { command: "touch", args: [ran], cwd: "/", share: "machine" } };
      put(`${home}/mcp.json`, JSON.stringify({ mcpServers: servers }));
      await Deno.chown(`${home}/mcp.json`, NOBODY, NOBODY);
      const { testDaemon } = await import("./helpers/daemon.ts");
      {
        await using it = await testDaemon({ settings: { home } });
        using client = await RawClient.hello(it.url);
        await client.ask({ op: "list_tools" });
        const health = await (await fetch(new URL("/health", it.http))).json();
        assertStringIncludes(JSON.stringify(health), `belongs to user ${NOBODY}`);
        await client.close();
      }
      assertEquals(await Deno.stat(ran).then(() => true, () => false), false);
      await Deno.chown(home, NOBODY, NOBODY);
      const { code, stderr } = await runDaemon({ home });
      assertEquals(code, 1);
      assertStringIncludes(stderr, `belongs to user ${NOBODY}`);
    });
    await inDir(async (dir) => {
      Deno.mkdirSync(`${dir}/open`);
      Deno.chmodSync(`${dir}/open`, 0o777);
      const error = await assertRejects(
        () => ensureStateDir(statePaths({ home: `${dir}/open/home` })),
        ExaiError,
      );
      assert(error.message.includes(`others may write to ${dir}/open`), error.message);
    });
  },
});
