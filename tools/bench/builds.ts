import { basename, fromFileUrl, join, resolve } from "@std/path";
import { commandFor } from "../lib/programs.ts";
import { tempDir } from "../lib/held.ts";
import type { Command } from "../lib/spawned.ts";

/** The two programs, in one of the forms in which they are run. */
export interface Build {
  /** "from source", "bundled", "compiled", and which checkout if it is not this one. */
  name: string;
  /** As users run them: not from source. */
  isBuilt: boolean;
  daemon: Command;
  shim: Command;
}

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const SUFFIX = Deno.build.os === "windows" ? ".exe" : "";

/** The programs of this repository: from source, and what `deno task compile` has left in `dist/`. */
export async function ownBuilds(): Promise<Build[]> {
  return await buildsIn(ROOT);
}

/** The programs of another checkout. */
export async function buildsBeside(dir: string): Promise<Build[]> {
  const found = await buildsIn(resolve(dir));
  return found.map((build) => ({ ...build, name: `${build.name}, ${basename(resolve(dir))}` }));
}

/** Two executables of one's own. */
export function givenBuild({ daemon, shim }: { daemon: string; shim: string }): Build {
  return { name: "compiled", isBuilt: true, daemon: commandFor(daemon), shim: commandFor(shim) };
}

async function buildsIn(root: string): Promise<Build[]> {
  const builds: Build[] = [{
    name: "from source",
    isBuilt: false,
    daemon: commandFor(join(root, "daemon.ts")),
    shim: commandFor(join(root, "shim.ts")),
  }];
  const dist = join(root, "dist");
  if (await isThere(join(dist, "shim.js"))) builds.push(await bundled(root));
  const [daemon, shim] = ["exai-daemon", "exai-shim"].map((name) => join(dist, name + SUFFIX));
  if (await isThere(daemon!) && await isThere(shim!)) {
    builds.push(givenBuild({ daemon: daemon!, shim: shim! }));
  }
  return builds;
}

/** The bundles beside each other, as the shim expects its daemon. */
async function bundled(root: string): Promise<Build> {
  const dir = await tempDir("exai-bench-bundle-");
  const dist = join(root, "dist");
  // Beside the shim, where shims before November 2026 look for it, and where they do now.
  for (
    const [from, to] of [[dist, dir], [join(dist, "daemon"), dir], [
      join(dist, "daemon"),
      join(dir, "daemon"),
    ]]
  ) {
    await copyScripts(from!, to!);
  }
  const run = ["run", "-A", "--no-config"];
  const daemonArgs = (path: string) => [...run, "--unstable-net", "--unstable-no-legacy-abort", path];
  const build: Build = {
    name: "bundled",
    isBuilt: true,
    daemon: { command: Deno.execPath(), args: daemonArgs(join(dir, "daemon", "daemon.js")) },
    shim: { command: Deno.execPath(), args: [...run, ...await shimFlags(root), join(dir, "shim.js")] },
  };
  // Deno analyses modules when it sees them first, which takes 145 MB that the process never gives back.
  for (const args of [build.daemon.args, daemonArgs(join(dir, "daemon.js")), build.shim.args]) {
    await new Deno.Command(Deno.execPath(), { args: [...args, "--version"], stdin: "null" }).output();
  }
  return build;
}

async function copyScripts(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    if (name.endsWith(".js")) await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** The flags of V8 that the checkout gives its shim; they have stood in two places. */
async function shimFlags(root: string): Promise<string[]> {
  for (const path of ["lib/config/shim_program.ts", "tools/compile/v8_flags.ts"]) {
    const text = await Deno.readTextFile(join(root, path)).catch(() => "");
    const [, flags] = /SHIM_V8_FLAGS = "(.*)"/.exec(text) ?? [];
    if (flags) return [flags];
  }
  return [];
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
