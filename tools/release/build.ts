import { fromFileUrl, join } from "@std/path";
import type { ArchivedFile } from "./archive.ts";
import { systemOf } from "./executable.ts";
import { newestUrl, programFiles, type ReleaseTarget } from "./project.ts";

const root = fromFileUrl(new URL("../../", import.meta.url));

/** What became of the programs of one system. */
export type Build =
  | { state: "built"; programs: ArchivedFile[]; base: "downloaded" | "given" }
  /** `deno compile` cannot have what it puts programs on. */
  | { state: "no base"; why: string }
  | { state: "failed"; why: string };

/** How the programs of a system are built. */
export interface BuildOptions {
  /** The file to put them on, in place of the one `deno compile` downloads. */
  base: string | undefined;
  repository: string | undefined;
}

/** Compiles the programs for a system. */
export async function build(target: ReleaseTarget, { base, repository }: BuildOptions): Promise<Build> {
  const releases = repository ? ["--releases", newestUrl(repository)] : [];
  const compiled = await run(["run", "-A", "tools/compile.ts", "--target", target.target, ...releases], base);
  if (!compiled.success) {
    const lacksBase = await baseFault(target, base);
    return lacksBase ? { state: "no base", why: lacksBase } : { state: "failed", why: compiled.said };
  }
  const programs: ArchivedFile[] = [];
  for (const path of programFiles(target)) {
    const content = await Deno.readFile(join(root, "dist", target.target, path));
    const system = systemOf(content);
    if (system?.os !== target.os || system.cpu !== target.cpu) {
      const found = system ? `for ${system.os} ${system.cpu}` : "of no known format";
      return { state: "failed", why: `${path} is ${found}: it was put on a base for another system` };
    }
    programs.push({ path, content, isProgram: true });
  }
  return { state: "built", programs, base: base === undefined ? "downloaded" : "given" };
}

/** Why nothing at all can be compiled for a system; undefined when it can. */
async function baseFault(target: ReleaseTarget, base: string | undefined): Promise<string | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "exai-base-" });
  try {
    await Deno.writeTextFile(join(dir, "nothing.js"), "");
    const args = [
      "compile",
      "--quiet",
      "--no-config",
      "--target",
      target.target,
      "--output",
      join(dir, "nothing"),
    ];
    const { success, said } = await run([...args, join(dir, "nothing.js")], base);
    return success ? undefined : said;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/**
 * Runs Deno. `DENORT_BIN` would be taken for every target, so only the one it is for gets it, and with it the deno that
 * fits it (`DENO`).
 */
async function run(args: string[], base: string | undefined): Promise<{ success: boolean; said: string }> {
  const { DENO = "", DENORT_BIN: _, ...env } = Deno.env.toObject();
  const command = new Deno.Command(args[0] === "compile" && base && DENO ? DENO : Deno.execPath(), {
    args,
    cwd: root,
    clearEnv: true,
    env: { ...env, NO_COLOR: "1", ...(base && { DENORT_BIN: base, DENO }) },
    stdin: "null",
    stdout: "null",
  });
  const { success, stderr } = await command.output();
  const [said = ""] = new TextDecoder().decode(stderr).trim().split("\n\nStack backtrace:");
  return { success, said };
}
