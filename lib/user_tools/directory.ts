import { extname, join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { fingerprint } from "../config/file_watch.ts";
import { whyUntrusted } from "../config/trust.ts";

const EXTENSIONS = [".js", ".mjs", ".ts"];

/** What the directory of a user's tools holds. */
export interface ToolFiles {
  /** The files with a tool in them by name, and what changes whenever they do. */
  files: Map<string, string>;
  /** What changes whenever a file beside them does that they may import. */
  helpers: string;
  /** Why a file is not to be loaded, by name. */
  refused: Map<string, string>;
  /** Why the directory as a whole is not to be used. */
  fault?: string;
}

/**
 * Looks through the directory of a user's tools. One that is not there holds none. What others than the user may
 * change is refused: it would run with the user's rights.
 */
export async function readToolFiles(dir: string): Promise<ToolFiles> {
  const found: ToolFiles = { files: new Map(), helpers: "", refused: new Map() };
  const info = await statOf(dir);
  if (info === undefined) return found;
  const fault = info.isDirectory ? whyUntrusted(dir) : "it is no directory";
  if (fault !== undefined) return { ...found, fault: `${dir} is not used: ${fault}` };
  try {
    for (const { name } of (await Array.fromAsync(Deno.readDir(dir))).toSorted(byName)) {
      await look(join(dir, name), name, found);
    }
  } catch (thrown) {
    found.fault = `${dir} cannot be read: ${messageOf(thrown)}`;
  }
  return found;
}

async function look(path: string, name: string, found: ToolFiles): Promise<void> {
  const info = await statOf(path);
  if (!info?.isFile || !EXTENSIONS.includes(extname(name)) || name.endsWith(".d.ts")) return;
  // A change of what a tool may import changes the tool, and must be the user's own as well.
  const isHelper = /^[._]/.test(name);
  const fault = whyUntrusted(path);
  if (fault !== undefined) {
    found.refused.set(name, `it is not used, since it runs with your rights: ${fault}`);
  } else if (isHelper) found.helpers += `${name} ${fingerprint(path)}\n`;
  else found.files.set(name, fingerprint(path));
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch {
    return undefined;
  }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}
