import { dirname } from "@std/path/dirname";
import { readRegularFile } from "../config/regular_file.ts";
import { whyUntrusted } from "../config/trust.ts";

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const ROOT = 0;

/** The content of a file of the state directory, or why it is not used. */
export interface OwnFile {
  text?: string;
  /** Undefined when there is no such file, or `text` holds it. */
  fault?: string;
}

/** Reads a file that only our own user or root can have written: another user's would lead to that user's program. */
export async function readOwnFile(path: string): Promise<OwnFile> {
  try {
    const distrust = whyUntrusted(path);
    if (distrust !== undefined) return { fault: `${path} is not believed: ${distrust}` };
    return { text: await readRegularFile(path) };
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return {};
    return { fault: `${path} cannot be read: ${(thrown as Error).message}` };
  }
}

/** Why the Unix socket at `path` must not be used; undefined when it is our own user's. */
export async function whySocketUntrusted(path: string): Promise<string | undefined> {
  if (Deno.build.os === "windows") return undefined;
  try {
    const info = await Deno.lstat(path);
    if (!info.isSocket) return "it is no socket";
    if (info.uid !== Deno.uid()) return `it belongs to user ${info.uid}`;
    const dir = await Deno.stat(dirname(path));
    if (isForeign(dir)) return `its directory belongs to user ${dir.uid}`;
    // In a sticky directory other users cannot replace the socket.
    const isReplaceable = ((dir.mode ?? 0) & OTHERS_WRITE) !== 0 && ((dir.mode ?? 0) & STICKY) === 0;
    return isReplaceable ? "other users may write to its directory" : undefined;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function isForeign({ uid }: Deno.FileInfo): boolean {
  return uid !== Deno.uid() && uid !== ROOT;
}
