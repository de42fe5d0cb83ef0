import { basename, join } from "@std/path";
import { quoteForShell } from "../base/text.ts";
import { VERSION } from "../base/version.ts";
import { isCompiled, programDir, runtimeDir } from "../config/paths.ts";
import { softLimit } from "../edge/handle_budget.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** Each window takes some, each server three, the daemon's own some dozen. */
const FEW_HANDLES = 256;
const EXECUTABLE = 0o100;
const OTHERS = 0o077;

/** What the daemon needs of the system: handles, the login shell, a private runtime directory. */
export async function checkSystem({ login, env, isQuick }: Installation): Promise<Finding[]> {
  const handles = softLimit();
  const few = handles === undefined || handles >= FEW_HANDLES ? [] : [warning(
    "handles-low",
    `a program may open ${handles} files here, and each window and server takes some`,
    "raise the limit in the profile of your shell: ulimit -n 4096",
  )];
  const isAsked = !isQuick && Deno.build.os !== "windows" && Boolean(env.SHELL);
  const isSilent = isAsked && await login() === undefined;
  const silent = !isSilent ? [] : [fault(
    "login-shell-silent",
    `the login shell ${env.SHELL} does not print its environment in time: a daemon that a window starts waits for it, ` +
      "and does without the PATH and the variables of your profile",
    `see what holds it up: time ${env.SHELL} -ilc true; programs that ask or wait do not belong into a profile`,
  )];
  return [...few, ...silent, ...await runtimeFindings()];
}

async function runtimeFindings(): Promise<Finding[]> {
  const dir = runtimeDir();
  if (dir === undefined || Deno.build.os !== "linux") return [];
  const info = await Deno.stat(dir).catch(() => undefined);
  const why = !info?.isDirectory
    ? "which is no directory"
    : info.uid !== Deno.uid()
    ? `which belongs to user ${info.uid}, as after su or sudo`
    : ((info.mode ?? 0) & OTHERS) !== 0
    ? "which other users can look into"
    : undefined;
  if (why === undefined) return [];
  return [warning(
    "runtime-dir",
    `XDG_RUNTIME_DIR is ${dir}, ${why}: the journal of calls is kept on the disk instead, which is slower`,
    "sign in as this user itself, or take the variable out of the environment",
  )];
}

/** `exai-shim`, which belongs beside `exai-daemon`. */
export async function checkPrograms(): Promise<Finding[]> {
  const shim = shimProgram();
  return shim === undefined ? [] : await shimFindings(shim);
}

/** What is wrong with the shim. */
export async function shimFindings(shim: ShimProgram): Promise<Finding[]> {
  const { path, command } = shim;
  const info = await Deno.stat(path).catch(() => undefined);
  if (!info?.isFile) {
    return [fault(
      "shim-missing",
      `${path} is missing: editors start it, and it starts the daemon`,
      "install EXAI again, both programs into one directory",
    )];
  }
  const mode = info.mode ?? EXECUTABLE;
  if (path === command && Deno.build.os !== "windows" && (mode & EXECUTABLE) === 0) {
    const repair = { kind: "chmod" as const, path, mode: (mode | EXECUTABLE) & 0o777 };
    return [
      fault("shim-not-executable", `${path} may not be run`, `chmod u+x ${quoteForShell(path)}`, repair),
    ];
  }
  return await versionFindings(shim);
}

interface ShimProgram {
  path: string;
  command: string;
  args: string[];
}

/** The shim beside the program that runs: `exai-shim` compiled, or `shim.ts` by Deno; undefined beside another one. */
function shimProgram(): ShimProgram | undefined {
  if (isCompiled()) {
    const path = join(programDir(), Deno.build.os === "windows" ? "exai-shim.exe" : "exai-shim");
    return { path, command: path, args: ["--version"] };
  }
  const [, ending] = /^daemon(\.[a-z]+)$/.exec(basename(Deno.mainModule)) ?? [];
  if (ending === undefined) return undefined;
  const path = join(programDir(), `shim${ending}`);
  return { path, command: Deno.execPath(), args: ["run", "-A", path, "--version"] };
}

async function versionFindings({ path, command, args }: ShimProgram): Promise<Finding[]> {
  try {
    const { stdout } = await new Deno.Command(command, { args, stdin: "null", stderr: "null" }).output();
    const [, version] = new TextDecoder().decode(stdout).trim().split(" ");
    if (version === VERSION) return [];
    const what = `${path} is version ${version ?? "unknown"}, and this exai-daemon is ${VERSION}`;
    return [warning("shim-version", what, "install both programs of one version")];
  } catch (thrown) {
    return [
      fault("shim-broken", `${path} cannot be run: ${(thrown as Error).message}`, "install EXAI again"),
    ];
  }
}
