import { ownEntry } from "../../base/json.ts";
import { readNpmExec, readNpx } from "./npx_call.ts";
import { readPnpm, readPnpx } from "./pnpm_call.ts";
import { readUvTool, readUvx } from "./uvx_call.ts";
import type { WrapperCall } from "./wrapper_call.ts";

const READERS: Readonly<Record<string, (args: readonly string[]) => WrapperCall | undefined>> = {
  npx: readNpx,
  npm: readNpmExec,
  pnpm: readPnpm,
  pnpx: readPnpx,
  uvx: readUvx,
  uv: readUvTool,
};

/**
 * Reads the command line of a wrapper.
 *
 * @returns undefined for any other program, and for a wrapper in a form that is not understood completely
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readWrapper } from "./read_wrapper.ts";
 *
 * const call = readWrapper("npx", ["-y", "some-server@1.2.3", "--port", "1"]);
 * assertEquals([call?.kind, call?.args, call?.isFixed], ["npx", ["--port", "1"], true]);
 * assertEquals(readWrapper("npx", ["-c", "some-server"]), undefined);
 * ```
 */
export function readWrapper(command: string, args: readonly string[]): WrapperCall | undefined {
  const name = command.split(/[/\\]/).at(-1)!.toLowerCase().replace(/\.(exe|cmd)$/, "");
  return ownEntry(READERS, name)?.(args);
}

/** Characters that `cmd.exe` reads in an argument. */
const SPECIAL = /[&|<>^%!"()\r\n]/;

/**
 * The command in `cmd /c COMMAND args`, as configurations for Windows have it.
 *
 * @returns undefined for anything else, and where `cmd.exe` would do more than start it
 */
export function behindCmd(
  command: string,
  args: readonly string[],
): { command: string; args: readonly string[] } | undefined {
  if (!/(^|[/\\])cmd(\.exe)?$/i.test(command)) return undefined;
  const at = args.findIndex((word) => !/^\/[dsq]$/i.test(word));
  const [inner, ...rest] = args.slice(at + 1);
  if (!/^\/c$/i.test(args[at] ?? "") || inner === undefined) return undefined;
  return [inner, ...rest].some((word) => SPECIAL.test(word)) ? undefined : { command: inner, args: rest };
}
