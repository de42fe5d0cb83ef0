/**
 * Builds the two programs as self-contained executables, `dist/exai-daemon` and `dist/exai-shim`. On the way it makes
 * `dist/daemon/daemon.js`, with the parts it loads late beside it, and `dist/shim.js`; these do for `deno run -A` where
 * nothing can be compiled.
 *
 * `--releases URL` is what `exai-daemon update --check` asks out of the box.
 *
 * `--target=x86_64-pc-windows-msvc` (any target of `deno compile`, repeatable) builds for another system into
 * `dist/<target>/`. `DENO` names the deno to compile with, `DENORT_BIN` the base it is to put the programs on; both
 * are for machines that cannot download that base.
 */
import { parseArgs } from "@std/cli/parse-args";
import { basename, fromFileUrl, join } from "@std/path";
import { formatBytes } from "../lib/base/units.ts";
import { SHIM_V8_FLAGS } from "../lib/config/shim_program.ts";
import { bundleDaemon } from "./compile/daemon.ts";
import { bundleShim } from "./compile/shim.ts";
import { sourceStamp, stamp } from "./compile/stamp.ts";
import { DAEMON_PERMISSIONS, shimPermissions } from "./compile/permissions.ts";
import { withResources } from "./compile/windows_resources.ts";
import { PROJECT } from "./release/project.ts";

const root = new URL("../", import.meta.url);
const dist = fromFileUrl(new URL("dist", root));

interface Program {
  name: string;
  /** The program as one file; what it loads late lies beside it. */
  bundle: string;
  flags(isWindows: boolean): readonly string[];
}

async function main(): Promise<number> {
  const { target, releases } = parseArgs(Deno.args, { string: ["target", "releases"], collect: ["target"] });
  const daemonDir = join(dist, "daemon");
  const programs: Program[] = [
    { name: "exai-daemon", bundle: join(daemonDir, "daemon.js"), flags: () => DAEMON_PERMISSIONS },
    {
      name: "exai-shim",
      bundle: join(dist, "shim.js"),
      flags: (isWindows) => [...shimPermissions(isWindows), SHIM_V8_FLAGS],
    },
  ];
  await Deno.mkdir(dist, { recursive: true });
  await bundleDaemon(daemonDir);
  await bundleShim(programs[1]!.bundle);
  const built = await sourceStamp();
  if (built && releases) built.releases = releases;
  await stamp(await filesOf(daemonDir), built);
  await stamp([programs[1]!.bundle], built);
  // The times of these files are in the programs: with that of the commit, the same source gives the same programs.
  const time = new Date(built?.committedAt ?? Date.now());
  const bundled = [...await filesOf(daemonDir), ...await filesOf(dist)].filter((path) =>
    path.endsWith(".js")
  );
  for (const path of bundled) await Deno.utime(path, time, time);
  for (const { bundle } of programs) await report(bundle);
  const targets: (string | undefined)[] = target.length > 0 ? target as string[] : [undefined];
  for (const target of targets) {
    for (const program of programs) {
      const code = await compile(program, target);
      if (code !== 0) return code;
    }
  }
  return 0;
}

async function compile(program: Program, target: string | undefined): Promise<number> {
  const isWindows = target?.includes("windows") ?? Deno.build.os === "windows";
  const output = join(dist, target ?? "", program.name + (isWindows ? ".exe" : ""));
  const { code } = await new Deno.Command(Deno.env.get("DENO") || Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      "--no-check",
      "--no-config",
      ...program.flags(isWindows),
      ...(target ? ["--target", target] : []),
      "--output",
      output,
      program.bundle,
    ],
  }).spawn().status;
  if (code === 0 && isWindows) await addResources(output, program.name);
  if (code === 0) await report(output);
  return code;
}

/** Icon and version, as Explorer shows them. */
async function addResources(path: string, name: string): Promise<void> {
  const { name: product, publisher: company, copyright, version, programs } = PROJECT;
  const details = {
    file: basename(path),
    description: programs.find((program) => program.name === name)!.description,
    product,
    company,
    copyright,
    version,
    commit: (await sourceStamp())?.commit,
  };
  const icon = await Deno.readFile(new URL("install/exai.ico", root));
  await Deno.writeFile(path, withResources(await Deno.readFile(path), details, icon));
}

async function filesOf(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => join(dir, name));
}

async function report(path: string): Promise<void> {
  // deno-lint-ignore no-console -- a tool for the terminal
  console.log(`${path}: ${formatBytes((await Deno.stat(path)).size)}`);
}

Deno.exit(await main());
