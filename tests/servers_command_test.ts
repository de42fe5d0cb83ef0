import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError, UsageError } from "../lib/base/errors.ts";
import { serversCommand } from "../lib/commands/servers.ts";
import { commandFlags } from "../lib/commands/commands.ts";
import { loadSettings } from "../lib/config/load.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { tempDir } from "./helpers/files.ts";

const isPosix = Deno.build.os !== "windows";

/** A home with `mcp.json`, in which `servers` is run as it is typed; no daemon runs. */
async function homeWith(text: string | undefined) {
  const dir = await tempDir(text === undefined ? {} : { "mcp.json": text });
  if (isPosix && text !== undefined) await Deno.chmod(`${dir.path}/mcp.json`, 0o600);
  const run = async (...words: string[]) => {
    const { words: [, ...args], ...loaded } = loadSettings({
      args: ["servers", ...words],
      env: { EXAI_HOME: dir.path, EXAI_WS_PORT: "0", ENV_FILE: "" },
      commands: commandFlags(),
    });
    return await runCommandAlone(serversCommand, args, loaded);
  };
  return {
    ...dir,
    /** Path of mcp.json. */
    config: join(dir.path, "mcp.json"),
    run,
    text: () => Deno.readTextFile(`${dir.path}/mcp.json`),
    [Symbol.asyncDispose]: dir[Symbol.asyncDispose],
  };
}

const COMMENTED = `{
  // what my editors share
  "mcpServers": {
    "zeta": { "command": "z" }, // the last letter comes first
    /* and this one
       is for later */
    "alpha": {
      "args": ["--x"],
      "command": "a"
    }
  },
  "clients": {}
}
`;

Deno.test("a server is added behind the others, and every other byte of mcp.json stays", async () => {
  await using home = await homeWith(COMMENTED);
  const said = await home.run("add", "files", "npx", "-y", "@scope/files", "--dir", ".");
  assertStringIncludes(said, `added files to ${home.config}`);
  assertStringIncludes(said, "exai-daemon servers test files");
  const added = `      "command": "a"
    },
    "files": {
      "command": "npx",
      "args": ["-y", "@scope/files", "--dir", "."]
    }
  },`;
  assertEquals(await home.text(), COMMENTED.replace('      "command": "a"\n    }\n  },', added));
  await home.run("remove", "files");
  assertEquals(await home.text(), COMMENTED, "removed, it is as it was");
});

Deno.test("switching a server off and on again, and removing it, touches its own lines only", async () => {
  await using home = await homeWith(COMMENTED);
  await home.run("disable", "zeta");
  assertEquals(
    await home.text(),
    COMMENTED.replace('"command": "z" }', '"command": "z", "disabled": true }'),
  );
  assertEquals(await home.run("disable", "zeta"), "zeta is disabled already");
  assertEquals(await home.run("enable", "zeta"), `enabled zeta in ${home.config}`);
  assertEquals(await home.text(), COMMENTED);
  assertEquals(await home.run("enable", "zeta"), "zeta is enabled already");
  await home.run("remove", "alpha");
  const text = await home.text();
  assert(text.includes("// the last letter comes first") && text.includes('"clients": {}'), text);
  assert(!text.includes("alpha"), text);
});

Deno.test("what an entry is switched off by in another client's way is what switches it on", async () => {
  const text =
    '{"mcpServers": {"a": {"command": "x", "enabled": false}, "b": {"command": "y", "enabled": true}}}';
  await using home = await homeWith(text);
  await home.run("enable", "a");
  await home.run("disable", "b");
  const { mcpServers } = JSON.parse(await home.text());
  assertEquals(mcpServers, { a: { command: "x" }, b: { command: "y", enabled: false } });
});

Deno.test("a server that a list beside the servers switches off is taken off that list", async () => {
  await using home = await homeWith(
    '{"mcpServers": {"a": {"command": "x"}}, "mcp": {"excluded": ["q", "a"]}}',
  );
  assertEquals(await home.run("disable", "a"), "a is disabled already");
  await home.run("enable", "a");
  assertEquals(JSON.parse(await home.text()).mcp, { excluded: ["q"] });
});

Deno.test("a byte order mark, CRLF and tabs stay, and what is added has them too", async () => {
  const text = '\ufeff{\r\n\t"servers": {\r\n\t\t"a": { "command": "x" }\r\n\t}\r\n}\r\n';
  await using home = await homeWith(text);
  await home.run("add", "b", "y");
  assertEquals(
    await home.text(),
    '\ufeff{\r\n\t"servers": {\r\n\t\t"a": { "command": "x" },\r\n\t\t"b": {\r\n\t\t\t"command": "y"\r\n\t\t}\r\n\t}\r\n}\r\n',
  );
});

Deno.test("servers in an array are added, switched and removed there", async () => {
  await using home = await homeWith(
    '{"servers": [{"name": "a", "command": "x"}, {"name": "b", "command": "y"}]}',
  );
  await home.run("add", "c", "z");
  await home.run("disable", "b");
  await home.run("remove", "c", "a");
  assertEquals(JSON.parse(await home.text()), { servers: [{ name: "b", command: "y", disabled: true }] });
});

Deno.test("without mcp.json, the first server makes it, for its user alone", async () => {
  await using home = await homeWith(undefined);
  assertStringIncludes(await home.run(), "names no server");
  await home.run("add", "remote", "https://x.example/mcp");
  assertEquals(JSON.parse(await home.text()), { mcpServers: { remote: { url: "https://x.example/mcp" } } });
  if (isPosix) assertEquals((await Deno.stat(`${home.path}/mcp.json`)).mode! & 0o777, 0o600);
});

Deno.test({
  name: "a link stays a link, and the file behind it keeps its mode",
  ignore: !isPosix,
  fn: async () => {
    await using home = await homeWith(undefined);
    const real = await home.write("dotfiles/mcp.json", "{}").then(() => `${home.path}/dotfiles/mcp.json`);
    await Deno.chmod(`${home.path}/dotfiles`, 0o700);
    await Deno.chmod(real, 0o640);
    await Deno.symlink(real, `${home.path}/mcp.json`);
    await home.run("add", "a", "x");
    assert((await Deno.lstat(`${home.path}/mcp.json`)).isSymlink);
    assertEquals(JSON.parse(await Deno.readTextFile(real)), { mcpServers: { a: { command: "x" } } });
    assertEquals((await Deno.stat(real)).mode! & 0o777, 0o640);
  },
});

Deno.test("flags before the command are the entry's, flags after it the server's own", async () => {
  await using home = await homeWith("{}");
  await home.run(
    "add",
    "--env",
    "A=b=c",
    "gh",
    "--env=D=",
    "--share=machine",
    "npx",
    "-y",
    "gh",
    "--env",
    "X=1",
  );
  const said = await home.run(
    "add",
    "web",
    "--header",
    "Authorization: Bearer t",
    "--type=http",
    "https://w/mcp",
  );
  assertEquals(said.includes("warning"), false, said);
  await home.run("add", "dashed", "--", "tool", "--json", "--", "-v");
  await home.run("add", "pasted", '{"command": "p", "env": {"K": "v"}}', "--disabled");
  assertEquals(JSON.parse(await home.text()).mcpServers, {
    gh: { command: "npx", args: ["-y", "gh", "--env", "X=1"], env: { A: "b=c", D: "" }, share: "machine" },
    web: { type: "http", url: "https://w/mcp", headers: { Authorization: "Bearer t" } },
    dashed: { command: "tool", args: ["--json", "--", "-v"] },
    pasted: { command: "p", env: { K: "v" }, disabled: true },
  });
});

Deno.test("a flag of servers add behind the command is the server's, and that is said", async () => {
  await using home = await homeWith("{}");
  assertStringIncludes(
    await home.run("add", "gh", "npx", "--share=machine"),
    "--share is given to the server",
  );
});

Deno.test("an entry that the daemon would refuse is not written", async () => {
  await using home = await homeWith(COMMENTED);
  const refused: [words: string[], says: string][] = [
    [["add", "x", '{"comand": "y"}'], "write command"],
    [["add", "zeta", "y"], "has a server"],
    [["add", "x", "exai-shim"], "EXAI"],
    [["add", "x", "ws://127.0.0.1/mcp"], "starts with http:// or https://"],
    [["add", "x", "y", "--share"], ""],
  ];
  for (const [words, says] of refused.slice(0, 4)) {
    const thrown = await assertRejects(() => home.run(...words), ExaiError, says);
    assertEquals(thrown instanceof UsageError, false, words.join(" "));
  }
  assertEquals(await home.text(), COMMENTED);
  await home.run("add", "--force", "zeta", "q");
  assertEquals(JSON.parse((await home.text()).replace(/\/\/.*|\/\*[^]*?\*\//g, "")).mcpServers.zeta, {
    command: "q",
  });
});

Deno.test("a variable that is not set yet is a warning, and the server is added", async () => {
  await using home = await homeWith("{}");
  const said = await home.run("add", "web", "--header", "X-Key: ${env:EXAI_TEST_UNSET}", "https://w/mcp");
  assertStringIncludes(said, "warning");
  assertStringIncludes(said, "EXAI_TEST_UNSET");
});

Deno.test("a command line that describes no server is refused, and nothing is written", async () => {
  await using home = await homeWith("{}");
  const wrong: [words: string[], says: string][] = [
    [["add"], "needs a name"],
    [["add", "x"], "a command, a URL or an entry"],
    [["add", " ", "x"], "no name for a server"],
    [["add", "exai", "x"], "EXAI's own tools"],
    [["add", "x", "https://w/mcp", "y"], "nothing follows the URL"],
    [["add", "--env=A=b", "x", "https://w/mcp"], "--env is of no use"],
    [["add", "--header=A: b", "x", "y"], "--header is of no use"],
    [["add", "--env=A", "x", "y"], "--env takes NAME=VALUE"],
    [["add", "x", "{"], "no JSON"],
    [["remove"], "at least one server"],
    [["enable"], "at least one server"],
  ];
  for (const [words, says] of wrong) {
    await assertRejects(() => home.run(...words), UsageError, says, words.join(" "));
  }
  assertEquals(await home.text(), "{}");
});

Deno.test("a name that is not there is refused with the nearest, and nothing is changed", async () => {
  await using home = await homeWith(COMMENTED);
  for (const action of ["remove", "enable", "disable"]) {
    await assertRejects(() => home.run(action, "alpha", "zetta"), ExaiError, "did you mean zeta?");
  }
  assertEquals(await home.text(), COMMENTED);
});

Deno.test("a file that cannot be changed safely is left as it is, and the place is said", async () => {
  const broken = '{\n  "mcpServers": {\n    "a": { "command": "x" }\n    "b": {}\n  }\n}\n';
  await using home = await homeWith(broken);
  await assertRejects(() => home.run("add", "c", "z"), ExaiError, "mcp.json:4:5: ");
  assertEquals(await home.text(), broken);
  await using twice = await homeWith('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}');
  await assertRejects(() => twice.run("remove", "a"), ExaiError, "stands twice");
  if (!isPosix) return;
  await using open = await homeWith(COMMENTED);
  await Deno.chmod(`${open.path}/mcp.json`, 0o666);
  await assertRejects(() => open.run("remove", "zeta"), ExaiError, "with your rights");
  await Deno.chmod(`${open.path}/mcp.json`, 0o400);
  await assertRejects(() => open.run("remove", "zeta"), ExaiError, "is read-only");
  assertEquals(await open.text(), COMMENTED);
});

Deno.test("the list shows what each server starts, without secrets, and what is wrong with its entry", async () => {
  await using home = await homeWith(JSON.stringify({
    mcpServers: {
      files: { command: "npx", args: ["-y", "files", "a b"] },
      web: { url: "https://u:hunter22@w.example/mcp", share: "machine" },
      keyed: { command: "x", args: ["--api-key=abcdef123456"] },
      off: { command: "y", disabled: true },
      wrong: { comand: "z" },
    },
  }));
  const text = await home.run("list");
  for (const shown of ['npx -y files "a b"', "https://u:[secret]@w.example/mcp", "--api-key=[secret]"]) {
    assertStringIncludes(text, shown);
  }
  assertStringIncludes(text, "comand");
  const { servers } = JSON.parse(await home.run("list", "--json"));
  assertEquals(
    servers.map(({ server, state, kind }: Record<string, string>) => [server, state, kind]),
    [
      ["files", "enabled", "stdio"],
      ["web", "enabled", "http"],
      ["keyed", "enabled", "stdio"],
      ["off", "disabled", "stdio"],
      ["wrong", "faulty", "stdio"],
    ],
  );
});

Deno.test("ten servers added at the same time are all there", async () => {
  await using home = await homeWith(COMMENTED);
  const names = Array.from({ length: 10 }, (_, i) => `s${i}`);
  await Promise.all(names.map((name) => home.run("add", name, "x")));
  const { servers } = JSON.parse(await home.run("list", "--json"));
  const listed = servers.map(({ server }: { server: string }) => server).sort();
  assertEquals(listed, ["alpha", ...names, "zeta"]);
});

Deno.test("with another program at the daemon's port the file is changed, and it is said that nobody was told", async () => {
  await using home = await homeWith("{}");
  await using stranger = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("hello"),
  );
  const port = `--port=${(stranger.addr as Deno.NetAddr).port}`;
  assertStringIncludes(await home.run(port, "add", "a", "x"), "warning: no daemon has been told");
  assertStringIncludes(await home.run(port, "disable", "a"), "warning: no daemon has been told");
  assertEquals(JSON.parse(await home.text()).mcpServers, { a: { command: "x", disabled: true } });
});

Deno.test("a first server is added to whatever holds none yet, and nothing is put beside what is no such thing", async () => {
  const cases: [text: string, after: string][] = [
    ["", '{"mcpServers":{"n":{"command":"x"}}}'],
    ["// later\n", '{"mcpServers":{"n":{"command":"x"}}}'],
    ['{"mcpServers": null}', '{"mcpServers":{"n":{"command":"x"}}}'],
    ['{"mcpServers": {}}', '{"mcpServers":{"n":{"command":"x"}}}'],
    ['{"servers": []}', '{"servers":[{"name":"n","command":"x"}]}'],
    ['{"clients": {}}', '{"clients":{},"mcpServers":{"n":{"command":"x"}}}'],
  ];
  for (const [text, after] of cases) {
    await using home = await homeWith(text);
    await home.run("add", "n", "x");
    const written = (await home.text()).replace(/^\/\/.*\n/, "");
    assertEquals(JSON.stringify(JSON.parse(written)), after, text);
    assertEquals(written.match(/mcpServers|servers/gi)?.length, 1, written);
  }
  for (const text of ["[]", '"x"', '{"mcpServers": "x"}', '{"mcpServers": {}, "mcpServers": {"a": {}}}']) {
    await using home = await homeWith(text);
    await assertRejects(() => home.run("add", "n", "x"), ExaiError, home.config);
    assertEquals(await home.text(), text);
  }
});
