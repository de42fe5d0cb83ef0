import { packTar } from "modern-tar";
import { type Zippable, zipSync } from "fflate";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** A file of an archive. */
export interface ArchivedFile {
  /** From the archive's own folder, with slashes. */
  path: string;
  content: Uint8Array;
  isProgram?: boolean;
}

/** How an archive is made: the same files at the same time give the same bytes. */
export interface ArchiveOptions {
  /** The folder everything lies in. */
  folder: string;
  /** The time of every file. */
  time: Date;
}

const MODE = 0o644;
const PROGRAM_MODE = 0o755;
const REGULAR_FILE = 0o100000;
/** The system whose modes the entries have. */
const UNIX = 3;

const modeOf = ({ isProgram }: ArchivedFile) => isProgram ? PROGRAM_MODE : MODE;

/** A `.tar.gz`, of files without an owner. */
export async function tarGz(files: readonly ArchivedFile[], options: ArchiveOptions): Promise<Uint8Array> {
  const tar = await packTar(files.map((file) => ({
    header: {
      name: `${options.folder}/${file.path}`,
      size: file.content.length,
      mode: modeOf(file),
      mtime: options.time,
      type: "file" as const,
      uid: 0,
      gid: 0,
      uname: "",
      gname: "",
    },
    body: file.content,
  })));
  const bytes = new Uint8Array(await promisify(gzip)(tar));
  // The system that compressed it; 255 is "unknown".
  bytes[9] = 255;
  return bytes;
}

/** A `.zip`. */
export function zip(files: readonly ArchivedFile[], { folder, time }: ArchiveOptions): Uint8Array {
  // The format has local times: the same hour is written wherever it is made.
  const mtime = new Date(time.getTime() + time.getTimezoneOffset() * 60_000);
  const entries = files.map((file) => {
    const attributes = { os: UNIX, attrs: (REGULAR_FILE | modeOf(file)) * 2 ** 16, mtime };
    return [`${folder}/${file.path}`, [file.content, attributes]] satisfies [string, Zippable[string]];
  });
  return zipSync(Object.fromEntries(entries));
}
