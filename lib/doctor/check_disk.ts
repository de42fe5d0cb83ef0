import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "@std/path";
import { formatBytes, MIB } from "../base/units.ts";
import { volatileBases } from "../config/paths.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** Below this nothing of use can be written any more. */
const FULL_BYTES = MIB;
/** Below this a day of logs and records may fill it. */
const LOW_BYTES = 100 * MIB;

/** File systems without reliable locks, by the number of `statfs(2)`. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB2"],
  [0xff534d42, "CIFS"],
  [0x01021997, "9P, as the drives of Windows in WSL"],
]);

/** What the system says of the file system that a directory is on. */
interface FileSystem {
  dir: string;
  /** What is kept there. */
  what: string;
  type: number;
  freeBytes: number;
  /** Files that may still be made; undefined where there is no limit. */
  freeFiles: number | undefined;
}

/** Space for the state directory, the journal in memory, and temporary files. */
export async function checkDisks({ paths }: Installation): Promise<Finding[]> {
  const used = [
    { dir: paths.home, what: "the state directory" },
    { dir: dirname(paths.config), what: "mcp.json" },
    ...volatileBases().slice(0, 1).map((dir) => ({ dir, what: "the journal of calls" })),
    { dir: tmpdir(), what: "temporary files, as of npx and uvx" },
  ];
  const systems = await Promise.all(used.map(examine));
  const known = systems.filter((system) => system !== undefined);
  const found = known.flatMap(diskFindings);
  // One disk that is used for several things is named once.
  const distinct = found.filter(({ id, what }, i) =>
    found.findIndex((other) => other.id === id && other.what === what) === i
  );
  if (distinct.length === 0) return [];
  const kept = await largestFiles(paths.home);
  return distinct.map((finding) =>
    finding.id === "disk-network" ? finding : { ...finding, remedy: `${finding.remedy}${kept}` }
  );
}

async function examine({ dir, what }: Pick<FileSystem, "dir" | "what">): Promise<FileSystem | undefined> {
  for (let path = dir; path !== dirname(path); path = dirname(path)) {
    try {
      const { type, bavail, bsize, files, ffree } = await statfs(path);
      return { dir, what, type, freeBytes: bavail * bsize, freeFiles: files === 0 ? undefined : ffree };
    } catch {
      // It is made when it is needed, on the file system of the directory around it.
    }
  }
  return undefined;
}

/** What is wrong with one file system. */
export function diskFindings({ dir, what, type, freeBytes, freeFiles }: FileSystem): Finding[] {
  const space = `${formatBytes(freeBytes)} are free where ${what} is (${dir})`;
  const remedy = "free some space there, or move the directory: EXAI_HOME (--home)";
  const name = what === "the state directory" ? NETWORK.get(type) : undefined;
  return [
    ...(freeBytes < FULL_BYTES
      ? [fault("disk-full", `the disk is full: ${space}`, remedy)]
      : freeBytes < LOW_BYTES
      ? [warning("disk-low", `the disk is nearly full: ${space}`, remedy)]
      : []),
    ...(freeFiles === 0
      ? [
        fault(
          "disk-full",
          `no more files can be made where ${what} is (${dir}): its inodes are used up`,
          remedy,
        ),
      ]
      : []),
    ...(name === undefined ? [] : [warning(
      "disk-network",
      `the state directory ${dir} is on a file system whose locks are not reliable (${name}), so that two daemons ` +
        "could use it at once",
      "set EXAI_HOME (--home) to a directory on a local disk",
    )]),
  ];
}

/** What EXAI itself holds most of there. */
async function largestFiles(home: string): Promise<string> {
  const sizes: { path: string; size: number }[] = [];
  for (const dir of [home, join(home, "logs"), join(home, "crashes")]) {
    for (const { name } of await Array.fromAsync(Deno.readDir(dir)).catch(() => [])) {
      const info = await Deno.lstat(join(dir, name)).catch(() => undefined);
      if (info?.isFile && info.size >= MIB) sizes.push({ path: join(dir, name), size: info.size });
    }
  }
  const largest = sizes.toSorted((a, b) => b.size - a.size).slice(0, 3)
    .map(({ path, size }) => `${path} (${formatBytes(size)})`);
  return largest.length === 0 ? "" : `; EXAI's own largest files are ${largest.join(", ")}`;
}
