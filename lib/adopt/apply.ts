import { ExaiError, messageOf } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { type DocumentEdit, type DocumentLanguage, editDocument } from "../documents/document.ts";
import { type FileImage, replaceFile } from "../documents/files.ts";
import { JSONC } from "../documents/jsonc.ts";
import { type FileToBackUp, keepWritten, saveBackup } from "./backups.ts";
import type { ClientFile } from "./client_profile.ts";
import type { AdoptionPlan } from "./plan.ts";
import { inverseOf } from "./point_file.ts";

/** The file of EXAI that servers are imported into. */
export interface ServersTarget {
  path: string;
  /** Undefined: there is none. */
  image: FileImage | undefined;
  value: JsonObject;
}

/** What became of one file. */
export interface FileOutcome {
  path: string;
  /** Why it was left as it was; undefined: it was written. */
  reason: string | undefined;
}

/** What became of an adoption. */
export interface AdoptionOutcome {
  /** Where the files are as they were. */
  backup: string;
  files: FileOutcome[];
}

interface PendingFile extends FileToBackUp {
  image: FileImage | undefined;
}

/**
 * Carries out `plan`: copies all files first, writes `mcp.json` next, then the clients' files. One that cannot be written
 * is left as it is, and the others go on.
 *
 * @throws {ExaiError} `CONFIG` when the backup or `mcp.json` cannot be written; no client's file has been changed then
 */
export async function applyAdoption(
  plan: AdoptionPlan,
  target: ServersTarget,
  backups: string,
): Promise<AdoptionOutcome> {
  const outcomes: FileOutcome[] = [];
  const mcp = plan.imports.length === 0
    ? undefined
    : await naming(target.path, () => pendingMcp(plan.imports, target));
  const clients = pendingClients(plan, outcomes);
  const backup = await saveBackup(backups, mcp ? [mcp, ...clients] : clients);
  if (mcp) {
    try {
      await naming(mcp.path, () => replaceFile(mcp.path, mcp.text, mcp.image));
    } catch (thrown) {
      await keepWritten(backup, new Set());
      throw thrown;
    }
    outcomes.push({ path: mcp.path, reason: undefined });
  }
  for (const { path, text, image } of clients) {
    const reason = await replaceFile(path, text, image).then(() => undefined, messageOf);
    outcomes.push({ path, reason });
  }
  const written = outcomes.filter(({ reason }) => reason === undefined).map(({ path }) => path);
  await keepWritten(backup, new Set(written));
  return { backup: backup.dir, files: outcomes };
}

/** Puts the path before a reason that is a clause about it. */
async function naming<T>(path: string, act: () => Promise<T> | T): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    throw new ExaiError("CONFIG", `${path} ${messageOf(thrown)}; no client was changed`, { cause: thrown });
  }
}

function pendingMcp(imports: readonly DocumentEdit[], { path, image, value }: ServersTarget): PendingFile {
  const text = editDocument(JSONC, image?.text ?? "", imports);
  return { path, language: "jsonc", bytes: image?.bytes, image, text, inverse: inverseOf(imports, value) };
}

/** The files with their new content; a client may share its file with another. */
function pendingClients({ files }: AdoptionPlan, outcomes: FileOutcome[]): PendingFile[] {
  const edited = files.filter(({ edits }) => edits.length > 0);
  const byTarget = Map.groupBy(edited, ({ reading }) => reading.image.target);
  return [...byTarget.values()].flatMap((group) => {
    const { reading } = group[0]!;
    const { path } = reading.found;
    // Two clients whose files are links to one change the same there.
    const edits = [
      ...new Map(group.flatMap(({ edits }) => edits).map((edit) => [JSON.stringify(edit), edit])).values(),
    ];
    try {
      const { bytes, text: before } = reading.image;
      const text = editDocument(reading.language as DocumentLanguage, before, edits);
      const inverse = inverseOf(edits, reading.document.value as Json);
      const language: ClientFile["language"] = reading.found.file.language;
      return [{ path, language, bytes, image: reading.image, text, inverse }];
    } catch (thrown) {
      outcomes.push({ path, reason: messageOf(thrown) });
      return [];
    }
  });
}
