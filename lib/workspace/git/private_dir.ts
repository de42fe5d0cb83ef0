import { basename, join } from "@std/path";
import { MIB } from "../../base/units.ts";
import { unusable } from "./git_guard.ts";
import type { DirectoryInspector } from "./inspect.ts";
import type { RepositoryLocation } from "./locate.ts";

const MAX_HEAD_BYTES = 4096;
const MAX_LIST_BYTES = 256 * MIB;
const MAX_INDEX_BYTES = 1024 * MIB;

/** The parts of a repository that git is given by environment variables. */
export interface BorrowedPaths {
  objects: string;
  index: string;
}

/**
 * Links the repository's references into the private git directory `dir`. Git opens only the parts named here, each
 * checked before: neither configuration nor hooks, attributes, grafts or submodules.
 *
 * @throws {ExaiError} `FORBIDDEN` when a part leads out of the session's directories, `INVALID_PARAMS` for a special file
 */
export async function fillPrivateDir(
  dir: string,
  at: RepositoryLocation,
  inspector: DirectoryInspector,
): Promise<BorrowedPaths> {
  const { gitDir, commonDir, guard } = at;
  await Deno.writeFile(join(dir, "HEAD"), await readHead(at));
  await Deno.mkdir(join(dir, "objects"));
  const objects = await inspector.objects(join(commonDir, "objects"));
  await link(
    await inspector.directory(join(commonDir, "refs"), "directory of references"),
    join(dir, "refs"),
  );
  const reftable = join(commonDir, "reftable");
  if (await exists(reftable)) {
    if (gitDir !== commonDir) {
      throw unusable(gitDir, "is a linked work tree with reftables, which is not supported");
    }
    await checkTableNames(at);
    await link(await inspector.directory(reftable, "directory of references"), join(dir, "reftable"));
  }
  await Deno.mkdir(join(dir, "info"));
  for (const name of ["packed-refs", "shallow", "info/exclude"]) {
    const file = await guard.file(join(commonDir, name), MAX_LIST_BYTES);
    if (file !== undefined) await link(file, join(dir, name));
  }
  await linkSharedIndexes(dir, at);
  const index = await guard.file(join(gitDir, "index"), MAX_INDEX_BYTES);
  // A new repository has no index.
  return { objects, index: index ?? join(dir, "index") };
}

/** Checks the list of tables, since git would open any path in it (reftable(5), "Stack of reftables"). */
async function checkTableNames({ commonDir, guard }: RepositoryLocation): Promise<void> {
  const list = join(commonDir, "reftable", "tables.list");
  const names = (await guard.text(list, MAX_LIST_BYTES))?.split("\n") ?? [];
  if (names.every((name) => name === "" || /^[\w-][\w.-]*$/.test(name))) return;
  throw unusable(list, "names something else than tables beside it");
}

/** The content of HEAD. Early versions of git made it a symbolic link to the branch. */
async function readHead({ gitDir, guard }: RepositoryLocation): Promise<Uint8Array> {
  const path = join(gitDir, "HEAD");
  const link = await Deno.readLink(path).catch(() => "");
  const isLink = link.startsWith("refs/");
  const bytes = isLink ? new TextEncoder().encode(`ref: ${link}\n`) : await guard.bytes(path, MAX_HEAD_BYTES);
  // The name of a branch can be in any encoding.
  const text = new TextDecoder("latin1").decode(bytes);
  // deno-lint-ignore no-control-regex -- no reference has one
  if (bytes && /^(?:ref:[ \t]*refs\/[^\x00-\x20\x7f]+|[0-9a-f]{40,64})\s*$/i.test(text)) return bytes;
  throw unusable(path, "names neither a branch nor a commit");
}

/** Links the other part of a split index (`git update-index --split-index`), which is beside it. */
async function linkSharedIndexes(dir: string, { gitDir, guard }: RepositoryLocation): Promise<void> {
  for await (const { name } of Deno.readDir(gitDir)) {
    if (!/^sharedindex\.[0-9a-f]{40,64}$/.test(name)) continue;
    const file = await guard.file(join(gitDir, name), MAX_INDEX_BYTES);
    if (file !== undefined) await link(file, join(dir, basename(name)));
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Links `from` as `to`. Windows restricts symbolic links, so directories get a junction there and files are copied. */
async function link(from: string, to: string): Promise<void> {
  if (Deno.build.os !== "windows") return await Deno.symlink(from, to);
  const { isDirectory } = await Deno.stat(from);
  await (isDirectory ? Deno.symlink(from, to, { type: "junction" }) : Deno.copyFile(from, to));
}
