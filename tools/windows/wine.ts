import { dirname, join } from "@std/path";
import { hold } from "../lib/held.ts";
import type { Run } from "./run.ts";

/** Wine on this machine, with a Deno for Windows. */
interface Wine {
  /** Copies the sources of `root` to where Wine sees them, and tells how Deno is run there. */
  prepare(root: string): Promise<(args: readonly string[]) => Run>;
}

/** The Wine in `dir`, or where tools usually keep it; undefined when it is not there. */
export async function openWine(dir = defaultDir()): Promise<Wine | undefined> {
  const deno = join(dir, "npm", "package", "deno.exe");
  const program = join(dir, "wine");
  if (!await exists(deno) || !await exists(program)) return undefined;
  return {
    async prepare(root) {
      const checkout = await Deno.makeTempDir({ dir, prefix: "checkout-" });
      hold("directory", () => Deno.remove(checkout, { recursive: true }));
      await copySources(root, checkout);
      const env = { ...await environment(dir), DENO_DIR: windowsPath(await packages(dir)) };
      const outputFile = join(checkout, "output");
      return (args) => ({
        command: program,
        args: [windowsPath(deno), ...args],
        cwd: checkout,
        env,
        outputFile,
      });
    },
  };
}

function defaultDir(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/", ".cache");
  return join(cache, "exai-wine");
}

/** A prefix of its own: what other programs of this Wine leave does not matter. */
async function environment(dir: string): Promise<Record<string, string>> {
  const prefix = join(dir, "prefix-tests");
  const env = { WINEPREFIX: prefix, DENO_DISABLE_NODE_SHIM: "1", DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  if (await exists(join(prefix, "drive_c"))) return env;
  await new Deno.Command(join(dir, "wine"), {
    args: ["-i"],
    env: { ...env, WINE_BIN: "wineboot" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().status;
  return env;
}

/** The npm packages of this project, which Deno for Windows need not download again. */
async function packages(dir: string): Promise<string> {
  const there = join(dir, "denodir");
  if (await exists(join(there, "npm"))) return there;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(there, { recursive: true });
  await checked("cp", ["-r", npmCache, join(there, "npm")], dir);
  return there;
}

/** What git knows of, and what is new. */
async function copySources(root: string, to: string): Promise<void> {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: root,
  }).output();
  const names = new TextDecoder().decode(stdout).split("\0").filter((name) => name !== "");
  for (const name of names) {
    const target = join(to, name);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.copyFile(join(root, name), target).catch((thrown) => {
      // Deleted, and not yet committed.
      if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
    });
  }
}

async function checked(command: string, args: string[], cwd: string): Promise<void> {
  const { success, code } = await new Deno.Command(command, { args, cwd }).spawn().status;
  if (!success) throw new Error(`${command} ended with exit code ${code}`);
}

/** Wine shows the root directory as drive Z. */
function windowsPath(path: string): string {
  return `Z:${path.replaceAll("/", "\\")}`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
