import { assertEquals, assertStringIncludes } from "@std/assert";
import { tempDir } from "./helpers/files.ts";
import { installText } from "../tools/release/contents.ts";
import { npmPackages } from "../tools/release/npm_packages.ts";
import { PROJECT, type ReleaseTarget, TARGETS } from "../tools/release/project.ts";

/** Echoes what it is asked and told, and ends as it is asked. */
const PROGRAM = `#!/bin/sh
echo "$0|$*|$T_VARIABLE"
cat
case $1 in signal) kill -TERM $$ ;; esac
exit 7
`;

const systemOfNode = {
  os: { windows: "win32", darwin: "darwin" }[Deno.build.os as string] ?? "linux",
  cpu: Deno.build.arch === "aarch64" ? "arm64" : "x64",
};
const own = TARGETS.find(({ os, cpu }) => os === systemOfNode.os && cpu === systemOfNode.cpu)!;

async function packagesFor(targets: readonly ReleaseTarget[]) {
  const program = new TextEncoder().encode(PROGRAM);
  const systems = targets.map((target) => ({
    target,
    programs: [{ path: "exai-daemon", content: program, isProgram: true }, {
      path: "exai-shim",
      content: program,
      isProgram: true,
    }],
  }));
  return npmPackages(systems, {
    launcher: await installText("npm/launch.cjs"),
    licence: "l",
    thirdParty: "t",
    repository: undefined,
  });
}

/** The packages as npm installs them for this system, and their commands run. */
async function installed(packages: Awaited<ReturnType<typeof packagesFor>>) {
  const dir = await tempDir({});
  for (const { name, files } of packages) {
    for (const { path, content, isProgram } of files) {
      const file = `node_modules/${name}/${path}`;
      await dir.write(file, content);
      if (isProgram && Deno.build.os !== "windows") await Deno.chmod(`${dir.path}/${file}`, 0o755);
    }
  }
  return {
    path: dir.path,
    async run(args: string[], node: string[] = []) {
      const child = new Deno.Command("node", {
        args: [...node, `${dir.path}/node_modules/${PROJECT.npm}/bin/exai-shim.cjs`, ...args],
        env: { T_VARIABLE: "passed on" },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const output = child.output();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("from the client\n"));
      await writer.close();
      const { code, signal, stdout, stderr } = await output;
      return {
        code,
        signal,
        output: new TextDecoder().decode(stdout),
        errors: new TextDecoder().decode(stderr),
      };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("npm is told one package with the commands, and one of each system that only that system installs", async () => {
  const packages = await packagesFor(TARGETS);
  const manifests = packages.map(({ files }) => JSON.parse(new TextDecoder().decode(files[0]!.content)));
  const [commands, ...systems] = manifests;
  assertEquals(commands.bin, { "exai-daemon": "bin/exai-daemon.cjs", "exai-shim": "bin/exai-shim.cjs" });
  assertEquals(
    commands.optionalDependencies,
    Object.fromEntries(systems.map(({ name, version }) => [name, version])),
  );
  assertEquals(systems.map(({ name, os, cpu }) => [name, os[0], cpu[0]]), [
    ["exai-shim-linux-x64", "linux", "x64"],
    ["exai-shim-linux-arm64", "linux", "arm64"],
    ["exai-shim-darwin-x64", "darwin", "x64"],
    ["exai-shim-darwin-arm64", "darwin", "arm64"],
    ["exai-shim-win32-x64", "win32", "x64"],
  ]);
  // No script runs at installation: many refuse them.
  for (const { scripts } of manifests) assertEquals(scripts, undefined);
});

for (const how of ["in its place where it can", "as its child"]) {
  Deno.test({
    name:
      `the command of the package runs the program ${how}, with its input, arguments, environment and exit code`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using it = await installed(await packagesFor([own]));
      const noExecve = `${it.path}/no_execve.cjs`;
      await Deno.writeTextFile(noExecve, "process.execve = undefined;");
      const flags = how === "as its child" ? [`--require=${noExecve}`] : [];
      const program = `${it.path}/node_modules/exai-shim-${own.os}-${own.cpu}/bin/exai-shim`;
      const { code, output, errors } = await it.run(["a b", "--c"], flags);
      assertEquals([code, output, errors], [7, `${program}|a b --c|passed on\nfrom the client\n`, ""]);
      assertEquals((await it.run(["signal"], flags)).signal, "SIGTERM");
    },
  });
}

Deno.test("a system without a program, and a package that was left out, are named with what to do", async () => {
  const others = TARGETS.filter((target) => target !== own);
  await using without = await installed(await packagesFor(others.slice(0, 1)));
  const lacking = await without.run([]);
  assertEquals(lacking.code, 1);
  assertStringIncludes(lacking.errors, `there is no program for ${own.os} ${own.cpu}; there is for `);
  await using incomplete = await installed((await packagesFor([own])).slice(0, 1));
  const omitted = await incomplete.run([]);
  assertEquals(omitted.code, 1);
  assertStringIncludes(
    omitted.errors,
    `the package exai-shim-${own.os}-${own.cpu} is missing; install again without --omit=optional`,
  );
});
