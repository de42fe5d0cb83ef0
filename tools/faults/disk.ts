import { join } from "@std/path";
import { delay } from "@std/async/delay";
import { hold, tempDir } from "../lib/held.ts";
import { Unavailable } from "./fault.ts";

const SIZE = "8m";
const PIECE_BYTES = 4096;
const UMOUNT_MS = 20_000;

/**
 * A directory on a file system of its own, in memory and small.
 *
 * @throws {Unavailable} when this user may not mount one
 */
export async function mountSmall(): Promise<string> {
  const path = await tempDir("exai-small-");
  await mount("-t", "tmpfs", "-o", `size=${SIZE},mode=0700`, "exai-faults", path);
  // The processes that use it are ended before; until the last has gone it is busy.
  hold("process", async () => {
    const untilMs = performance.now() + UMOUNT_MS;
    while (!await succeeds("umount", path)) {
      if (performance.now() > untilMs) throw new Error(`${path} stays mounted: it is in use`);
      await delay(50);
    }
  });
  return path;
}

/** Leaves no byte free where `home` is, until it is disposed of. */
export async function fillUp(home: string): Promise<AsyncDisposable> {
  const path = join(home, "filler");
  const file = await Deno.open(path, { create: true, write: true });
  try {
    for (const piece = new Uint8Array(PIECE_BYTES);;) await file.write(piece);
  } catch {
    // Full.
  } finally {
    file.close();
  }
  return { [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** Lets nothing be made or replaced in `home` until it is disposed of. Files that are open can still be written. */
export async function makeReadOnly(home: string): Promise<AsyncDisposable> {
  await Deno.chmod(home, 0o500);
  return { [Symbol.asyncDispose]: () => Deno.chmod(home, 0o700) };
}

/**
 * What must stand before a command so that it keeps to the modes of files, which root does not.
 *
 * @throws {Unavailable} when that cannot be had
 */
export async function withoutOverride(): Promise<readonly string[]> {
  if (Deno.build.os === "windows") throw new Unavailable("needs the file modes of Unix");
  if (Deno.uid() !== 0) return [];
  const prefix = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"];
  if (await succeeds(prefix[0]!, ...prefix.slice(1), "true")) return prefix;
  throw new Unavailable("as root it needs setpriv (util-linux)");
}

async function mount(...args: string[]): Promise<void> {
  if (Deno.build.os !== "linux") throw new Unavailable("needs Linux's tmpfs");
  const { success, stderr } = await new Deno.Command("mount", { args }).output();
  if (!success) throw new Unavailable(`needs the right to mount: ${new TextDecoder().decode(stderr).trim()}`);
}

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  const spawned = new Deno.Command(command, { args, stdout: "null", stderr: "null" });
  return await spawned.output().then(({ success }) => success, () => false);
}
