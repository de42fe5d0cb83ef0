import { extname, join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { fingerprint } from "../config/file_watch.ts";
import { whyUntrusted } from "../config/trust.ts";

const EXTENSIONS = [".js", ".mjs", ".ts"];

/** The content of the directory of a user's tools. */
export interface ToolFiles {
  /** Fingerprints of the files with a tool, by name. */
  files: Map<string, string>;
  /** Fingerprint of the files that tools may import. */
  helpers: string;
  /** Why a file is not loaded, by name. */
  refused: Map<string, string>;
  /** Why the directory as a whole is not used. */
  fault?: string;
}

/**
 * Reads the directory of a user's tools; empty when it is missing. Files that other users may change are refused, since
 * they would run with the user's rights.
 */
export async function readToolFiles(dir: string): Promise<ToolFiles> {
  const found: ToolFiles = { files: new Map(), helpers: "", refused: new Map() };
  const info = await statOf(dir);
  if (info === undefined) return found;
  const fault = info.isDirectory ? whyUntrusted(dir) : "it is no directory";
  if (fault !== undefined) return { ...found, fault: `${dir} is not used: ${fault}` };
  try {
    for (const { name } of (await Array.fromAsync(Deno.readDir(dir))).toSorted(byName)) {
      await inspect(join(dir, name), name, found);
    }
  } catch (thrown) {
    found.fault = `${dir} cannot be read: ${messageOf(thrown)}`;
  }
  return found;
}

async function inspect(path: string, name: string, found: ToolFiles): Promise<void> {
  const info = await statOf(path);
  if (!info?.isFile || !EXTENSIONS.includes(extname(name)) || name.endsWith(".d.ts")) return;
  // A file that a tool may import is part of the tool, and must be the user's own as well.
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
