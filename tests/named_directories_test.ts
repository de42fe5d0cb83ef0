import { assertEquals } from "@std/assert";
import { bindToSession, type ServerConfig } from "../lib/config/server_config.ts";
import { isForWorkspaceOnly, rootOf } from "../lib/upstream/sharing/named_directories.ts";
import { tempDir } from "./helpers/files.ts";

const W = "${workspaceFolder}";

/** What an entry is for: by its arguments, its variables, its own `cwd`; `@` stands for the directory of the test. */
const ENTRIES: [
  isForWorkspace: boolean,
  args: string[],
  more?: { env?: Record<string, string>; cwd?: string },
][] = [
  [true, ["-y", "@modelcontextprotocol/server-filesystem", W]],
  [true, ["server-filesystem", "."]],
  [true, ["server-filesystem", "./"]],
  [true, ["server-filesystem", `${W}/`]],
  [true, [`--root=${W}`]],
  [true, ["--mount", `type=bind,src=${W}`]],
  [true, [`file://${W}`]],
  [true, ["@/link"]],
  [true, ["@/tools/server.js", W]],
  [true, ["x", "--port", "8080", "--url", "https://h/x", W]],
  [true, [], { env: { ROOT_DIR: W } }],
  [true, [], { env: { ROOT_DIR: W, PATH: "/usr/bin:/bin", HOME: "/root" } }],
  [true, [], { cwd: W }],
  [true, [], { cwd: "." }],
  [true, ["@/work, and = more"], {}],
  // Nothing names the workspace.
  [false, []],
  [false, ["-y", "some-server"]],
  // Something else is named.
  [false, ["server-filesystem", "@/data"]],
  [false, ["server-filesystem", W, "@/data"]],
  [false, ["server-filesystem", W, "/no/such/directory"]],
  [false, ["server-filesystem", "./src"]],
  [false, ["server-filesystem", W, "src"]],
  [false, ["server-filesystem", W, "~/notes"]],
  [false, ["server-filesystem", ".."]],
  [false, [W, "\\\\server\\share"]],
  [false, [W, "//server/share"]],
  [false, ["--mount", `type=bind,src=${W},dst=/projects`]],
  [false, [W], { env: { ALLOWED: "@/data" } }],
  [false, ["@/data"], { cwd: W }],
  [false, Array.from({ length: 200 }, () => W)],
];

const isFor = (entry: ServerConfig, workspace: string) =>
  isForWorkspaceOnly(entry, { bound: bindToSession(entry, workspace), workspace });

Deno.test("an entry is for the workspace only if it names that and no other directory", async () => {
  await using dir = await tempDir({ "work/src/x": "", "data/x": "", "tools/server.js": "" });
  await Deno.symlink(`${dir.path}/work`, `${dir.path}/link`);
  for (const [expected, args, more = {}] of ENTRIES) {
    const isOdd = args.some((arg) => arg.includes(", and"));
    const workspace = isOdd ? `${dir.path}/work, and = more` : `${dir.path}/work`;
    if (isOdd) await Deno.mkdir(workspace);
    const placed = (text: string) =>
      text.replaceAll("@/", `${dir.path}/`).replace("server-filesystem", "server");
    const env = Object.fromEntries(
      Object.entries(more.env ?? {}).map(([key, value]) => [key, placed(value)]),
    );
    const entry = { kind: "stdio", title: "t", command: "npx", args: args.map(placed), env, cwd: more.cwd };
    const found = await isFor(entry as unknown as ServerConfig, workspace);
    assertEquals(found, expected, JSON.stringify([args, more]));
  }
  const far = { kind: "http", url: `https://h/${W}`, headers: {} };
  assertEquals(await isFor(far as unknown as ServerConfig, "/w"), false);
});

Deno.test("the root of a place is spelt as its window has the directory", () => {
  assertEquals(rootOf("/real dir", "/link 100%"), { uri: "file:///link%20100%25" });
  assertEquals(rootOf("/real", undefined), { uri: "file:///real" });
});
