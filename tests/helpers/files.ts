import { dirname, join } from "@std/path";
import { until } from "./until.ts";

/** The root of a disk. */
export const DISK_ROOT = Deno.build.os === "windows" ? "C:\\" : "/";

/** A directory of its own with `files` in it, gone with `await using`. Its path is real. */
export async function tempDir(files: Readonly<Record<string, string | Uint8Array>>) {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-files-" }));
  for (const [name, content] of Object.entries(files)) await write(path, name, content);
  return {
    path,
    write: (name: string, content: string | Uint8Array) => write(path, name, content),
    [Symbol.asyncDispose]: () => removeReleased(path),
  };
}

/** Removes a directory; Windows lets go of the one of a process a moment after that has ended. */
async function removeReleased(path: string): Promise<void> {
  const remove = () => Deno.remove(path, { recursive: true });
  if (Deno.build.os !== "windows") return await remove();
  await until(`${path} can be removed`, () => remove().then(() => true, () => undefined), 5000);
}

async function write(dir: string, name: string, content: string | Uint8Array): Promise<void> {
  const path = join(dir, name);
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
}

const IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];

/** Runs git in `dir` and gives what it says. */
export async function git(dir: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args: [...IDENTITY, ...args],
    cwd: dir,
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/**
 * Removes the state directory of a daemon that has ended.
 *
 * @throws naming what was written there meanwhile
 */
export async function removeHome(home: string): Promise<void> {
  await Deno.remove(home, { recursive: true }).catch(async (thrown) => {
    const left = await Array.fromAsync(Deno.readDir(home), ({ name }) => name);
    throw new Error(`written after its end: ${left.join(", ")}`, { cause: thrown });
  });
}
