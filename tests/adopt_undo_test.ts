import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { TestUser } from "./helpers/adoption.ts";

const CURSOR = "{home}/.cursor/mcp.json";
const CODEX = "{codex}/config.toml";
const TOML = '[mcp_servers.a]\ncommand = "a-mcp" # mine\nargs = ["#none", \'# none\']\n';
const JSONC = '{\n  // first\n  "mcpServers": { "a": { "command": "a-mcp", "args": ["//none"] } }\n}\n';

Deno.test("a comment that somebody has written since is kept when an adoption is taken back", async () => {
  await using user = await TestUser.create();
  for (const [path, text, comment] of [[CODEX, TOML, "# later"], [CURSOR, JSONC, "// later"]] as const) {
    await user.write(path, text);
    await user.adopt();
    await user.write(path, `${await user.read(path)}${comment}\n`);
    await user.undo();
    assertStringIncludes(await user.read(path), comment);
    assertStringIncludes(await user.read(path), "a-mcp");
  }
});

Deno.test("a copy that is damaged is not put in the place of a file, which gets its servers back", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, JSONC);
  await user.adopt();
  const [{ name }] = await Array.fromAsync(Deno.readDir(user.backups)) as [Deno.DirEntry];
  await Deno.writeTextFile(join(user.backups, name, "2-mcp.json"), "damaged");
  assertEquals((await user.undo()).map(({ how }) => how), ["edited", "removed"]);
  const { mcpServers } = JSON.parse((await user.read(CURSOR)).replace("// first", ""));
  assertEquals(mcpServers, { a: { command: "a-mcp", args: ["//none"] } });
});
