import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { TestUser } from "./helpers/adoption.ts";

const FILES = { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"] };
const servers = (entries: Record<string, unknown>) => JSON.stringify({ mcpServers: entries });

/** Runs git in the user's project. */
async function git(user: TestUser, ...args: string[]): Promise<void> {
  await new Deno.Command("git", { args, cwd: user.project, stdout: "null", stderr: "null" }).output();
}

Deno.test("a file that git tracks is named and left, unless --tracked is given", async () => {
  await using user = await TestUser.create();
  await git(user, "init", "-q");
  await user.write("{project}/.mcp.json", servers({ files: FILES }));
  assertEquals((await user.prepare()).plan.files.length, 1, "not tracked yet");
  await git(user, "add", ".mcp.json");
  const { plan } = await user.prepare();
  assertEquals([plan.imports, plan.files], [[], []]);
  assertStringIncludes(plan.left[0]!.reason, "is tracked by git");
  assertEquals((await user.prepare({ areTrackedChanged: true })).plan.files.length, 1);
});

Deno.test({
  name:
    "a tracked file is found by a link to its directory, in a split index, and apart from one of its name",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using user = await TestUser.create();
    const project = join(user.project, "inner");
    const link = join(user.dir, "link");
    await user.write("{project}/.mcp.json", servers({ files: FILES }));
    await user.write("{project}/inner/.mcp.json", servers({ files: FILES }));
    await Deno.symlink(project, link);
    await git(user, "init", "-q");
    await git(user, "add", "inner");
    const changed = async () =>
      (await user.prepare({ projects: [user.project, link] })).plan.files
        .map(({ reading }) => reading.found.path);
    assertEquals(await changed(), [join(user.project, ".mcp.json")]);
    await git(user, "add", ".mcp.json");
    await git(user, "update-index", "--split-index");
    assertEquals(await changed(), []);
  },
});
