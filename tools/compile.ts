/**
 * Builds the two programs as self-contained executables, `dist/exai-daemon` and `dist/exai-shim`. On the way it makes
 * `dist/daemon/daemon.js`, with the parts it loads late beside it, and `dist/shim.js`; these do for `deno run -A` where
 * nothing can be compiled.
 *
 * `--target=x86_64-pc-windows-msvc` (any target of `deno compile`, repeatable) builds for another system into
 * `dist/<target>/`. `DENO` names the deno to compile with, `DENORT_BIN` the base it is to put the programs on; both
 * are for machines that cannot download that base.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl, join } from "@std/path";
import { formatBytes } from "../lib/base/units.ts";
import { bundleDaemon } from "./compile/daemon.ts";
import { bundleShim } from "./compile/shim.ts";
import { SHIM_V8_FLAGS } from "./compile/v8_flags.ts";

const root = new URL("../", import.meta.url);
const dist = fromFileUrl(new URL("dist", root));

interface Program {
  name: string;
  /** The program as one file; what it loads late lies beside it. */
  bundle: string;
  flags: readonly string[];
  /** Flags for Windows alone. */
  windowsFlags?: readonly string[];
}

/**
 * Native code (FFI) and code from the network are what neither program loads, but that the daemon on Windows asks
 * kernel32 for the job object that ends its children with it. The rest cannot be narrowed when the program is built:
 * state directory, address, and what a mounted server's command is are known when it runs, and a program that may run
 * any other may do anything by way of it. Questions on stdin would end up in MCP.
 */
const PERMISSIONS = [
  "--allow-env",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-sys",
  "--no-prompt",
];

async function main(): Promise<number> {
  const { target } = parseArgs(Deno.args, { string: ["target"], collect: ["target"] });
  const daemonDir = join(dist, "daemon");
  const programs: Program[] = [
    { name: "exai-daemon", bundle: join(daemonDir, "daemon.js"), flags: [], windowsFlags: ["--allow-ffi"] },
    { name: "exai-shim", bundle: join(dist, "shim.js"), flags: [SHIM_V8_FLAGS] },
  ];
  await Deno.mkdir(dist, { recursive: true });
  await bundleDaemon(daemonDir);
  await bundleShim(programs[1]!.bundle);
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
      ...PERMISSIONS,
      ...program.flags,
      ...(isWindows ? program.windowsFlags ?? [] : []),
      ...(target ? ["--target", target] : []),
      "--output",
      output,
      program.bundle,
    ],
  }).spawn().status;
  if (code === 0) await report(output);
  return code;
}

async function report(path: string): Promise<void> {
  // deno-lint-ignore no-console -- a tool for the terminal
  console.log(`${path}: ${formatBytes((await Deno.stat(path)).size)}`);
}

Deno.exit(await main());
