import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tempDir } from "./helpers/files.ts";
import { testHost } from "./helpers/processes.ts";

const ignore = Deno.build.os === "windows";

/**
 * Stands in for uv, as a shim of a version manager does: makes an environment for what `--from` names, and runs the
 * rest with it in front of the PATH.
 */
const UVX = `#!/bin/sh
echo "$@" >> "$HOME/asked"
test "$1" = --from || exit 9
mkdir -p "$HOME/env/bin"
cat > "$HOME/env/bin/tool.$$" <<'TOOL'
#!/bin/sh
printf '{"jsonrpc":"2.0","method":"%s"}\\n' "$0 $* $TOOL"
exec cat
TOOL
chmod +x "$HOME/env/bin/tool.$$"
mv "$HOME/env/bin/tool.$$" "$HOME/env/bin/tool"
shift 2
PATH="$HOME/env/bin:$PATH" TOOL=set "$@"
`;

async function rig(wrapper = UVX, path = "shims/uvx") {
  const home = await tempDir({ [path]: wrapper, "state/.keep": "" });
  const command = join(home.path, path);
  await Deno.chmod(command, 0o755);
  const host = testHost({ env: { HOME: home.path }, wrapperDir: join(home.path, "state") });
  const startIn = (cwd: string, ...args: string[]) =>
    host.spawn({ name: "it", title: "it", command, args, env: {}, cwd });
  return {
    home: home.path,
    host,
    startIn,
    start: (...args: string[]) => startIn(home.path, ...args),
    asked: async () => (await Deno.readTextFile(join(home.path, "asked"))).trim().split("\n"),
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "a program behind uvx is started itself, with the environment uv makes for it",
  ignore,
  fn: async () => {
    await using it = await rig();
    const process = await it.start("tool@latest", "-a", "b");
    const { promise, resolve } = Promise.withResolvers<string>();
    process.onmessage = (message) => resolve("method" in message ? message.method : "");
    await process.start();
    assertEquals(await promise, `${it.home}/env/bin/tool -a b set`);
    assertEquals(process.runs, `sh ${it.home}/env/bin/tool`);
    assertEquals(await it.asked(), ["--from tool@latest env -0"]);
    await it.start("tool@latest", "c");
    assertEquals((await it.asked()).length, 1);
  },
});

Deno.test({
  name: "uvx is started as it is written where it does not say what it runs",
  ignore,
  fn: async () => {
    for (
      const [uvx, why] of [
        ["#!/bin/sh\nexec cat\n", /uvx does not say where it installs/],
        ["#!/bin/sh\necho no such package >&2; exit 2\n", /it ended with code 2: no such package/],
        [
          UVX.replace("chmod +x", ":"),
          /tool is not a program/,
        ],
      ] as const
    ) {
      await using it = await rig(uvx);
      const process = await it.start("tool");
      await process.close();
      assertEquals(process.runs, undefined);
      assertMatch(it.host.logged[0]!, why);
    }
    await using it = await rig(UVX, "bin/uvx");
    await (await it.start("tool")).close();
    assertEquals(await it.asked(), ["tool"]);
    assertMatch(it.host.logged[0]!, /runs as it is written: .*\/bin\/uvx is not the known uvx/);
  },
});

/** Stands in for pnpm, with a package that has two programs. */
const PNPM = `#!/bin/sh
modules="$HOME/dlx/node_modules"
mkdir -p "$modules/.bin" "$modules/@scope/tool"
echo '{"name":"@scope/tool","version":"1.0.0","bin":{"other":"o.js","tool":"t.js"}}' > "$modules/@scope/tool/package.json"
printf '#!/bin/sh\\nexec cat\\n' > "$modules/.bin/tool"
chmod +x "$modules/.bin/tool"
echo "$@" >> "$HOME/asked"
shift 2
PATH="$modules/.bin:$PATH" "$@"
`;

Deno.test({
  name: "behind pnpm dlx the program of the package's name is started itself",
  ignore,
  fn: async () => {
    await using it = await rig(PNPM, "shims/pnpm");
    const process = await it.start("dlx", "@scope/tool@1", "-a");
    assertEquals(process.runs, `sh ${it.home}/dlx/node_modules/.bin/tool`);
    assertEquals(await it.asked(), ["--package=@scope/tool@1 dlx env -0"]);
  },
});

Deno.test({
  name: "the same packages are installed for two directories one after the other, others at once",
  ignore,
  fn: async () => {
    // An installation that meets another one says so, and takes a moment.
    const install = 'mkdir "$HOME/$2" && sleep 0.1 && rmdir "$HOME/$2" || exit 7; test "$1"';
    await using it = await rig(UVX.replace('test "$1"', install));
    const places: [cwd: string, spec: string][] = [[it.home, "tool"], ["/", "tool"], ["/tmp", "tool"], [
      "/",
      "tool@1",
    ]];
    const started = await Promise.all(places.map(([cwd, spec]) => it.startIn(cwd, spec)));
    assertEquals(started.map(({ runs }) => runs), Array(4).fill(`sh ${it.home}/env/bin/tool`));
  },
});
