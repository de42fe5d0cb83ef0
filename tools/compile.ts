/**
 * Builds the two programs as self-contained executables: `dist/exai-daemon` and `dist/exai-shim`.
 *
 * `--target=x86_64-pc-windows-msvc` (any target of `deno compile`, repeatable) builds for another system into
 * `dist/<target>/`. `DENO` names the deno to compile with, `DENORT_BIN` the base it is to put the programs on; both
 * are for machines that cannot download that base.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl, join } from "@std/path";
import { formatBytes } from "../lib/base/units.ts";
import { bundleShim } from "./compile/shim.ts";
import { SHIM_V8_FLAGS } from "./compile/v8_flags.ts";

const root = new URL("../", import.meta.url);
const dist = fromFileUrl(new URL("dist", root));

interface Program {
  name: string;
  /** What is compiled; for the shim this is its bundle. */
  entry: string;
  flags: readonly string[];
  /** Flags for Windows alone. */
  windowsFlags?: readonly string[];
}

/**
 * Native code (FFI) and code from the network are what neither program loads, but that the daemon on Windows asks
 * kernel32 for the job object that ends its children with it. The rest cannot be narrowed when
 * the program is built: state directory, address, and what a mounted server's command is are known when it runs, and
 * a program that may run any other may do anything by way of it. Questions on stdin would end up in MCP.
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
  const shim = join(dist, "shim.js");
  const { bytes } = await bundleShim(shim);
  report(`${shim}: ${formatBytes(bytes)}`);
  const programs: Program[] = [
    {
      name: "exai-daemon",
      entry: fromFileUrl(new URL("daemon.ts", root)),
      flags: [],
      windowsFlags: ["--allow-ffi"],
    },
    { name: "exai-shim", entry: shim, flags: ["--no-config", SHIM_V8_FLAGS] },
  ];
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
      ...PERMISSIONS,
      ...program.flags,
      ...(isWindows ? program.windowsFlags ?? [] : []),
      ...(target ? ["--target", target] : []),
      "--output",
      output,
      program.entry,
    ],
  }).spawn().status;
  if (code !== 0) report(`deno compile could not make ${output}: exit code ${code}`);
  else report(`${output}: ${formatBytes((await Deno.stat(output)).size)}`);
  return code;
}

function report(line: string): void {
  // deno-lint-ignore no-console -- a tool for the terminal
  console.log(line);
}

Deno.exit(await main());
