import { ExaiError } from "../../base/errors.ts";
import { formatBytes } from "../../base/units.ts";
import { PAGE_TOKENS, pagesOf } from "../../provider/model_fitness.ts";
import type { DocumentPart } from "../../provider/provider.ts";
import type { Workspace, WorkspaceEntry } from "../../workspace/workspace.ts";
import { hashOf, type SentFile } from "./attachment.ts";
import { noRoom, type Omission } from "./left_out.ts";

/** All documents of a request together: in base64 they take a third more, and a request may have 32 MB. */
const MAX_BYTES_IN_ALL = 15_000_000;

/** Where the mark of a PDF stands at the latest. */
const MARK_WITHIN_BYTES = 1024;

/** PDFs, which models read themselves, apart from the files that are shown as text. */
export interface LoadedDocuments {
  parts: readonly DocumentPart[];
  files: readonly SentFile[];
  /** The real paths of all PDFs, those that are left out included. */
  paths: readonly string[];
  sizeBytes: number;
  /** Estimated. */
  tokens: number;
  /** The other paths, as they were given. */
  others: readonly string[];
  leftOut: readonly Omission[];
}

interface LoadDocumentsOptions {
  workspace: Workspace;
  /** Whether a document that cannot be shown is noted; otherwise, or when it is forbidden, it rejects the call. */
  notesErrors?: boolean;
  /** The size of the documents that are sent beside these. */
  otherBytes?: number;
  /** One that takes more of the model's window is noted; unlimited by default. */
  budgetTokens?: number;
}

/**
 * Loads the PDFs among `paths`, known by their names and their content.
 *
 * @throws {ExaiError} `FORBIDDEN`, and unless errors are noted `TOO_LARGE`, naming the document
 */
export async function loadDocuments(
  paths: readonly string[],
  { workspace, notesErrors = false, otherBytes = 0, budgetTokens = Infinity }: LoadDocumentsOptions,
): Promise<LoadedDocuments> {
  const loaded: { part: DocumentPart; file: SentFile }[] = [];
  const pdfs = new Set<string>();
  const others: string[] = [];
  const leftOut: Omission[] = [];
  let sizeBytes = 0;
  let tokens = 0;
  for (const path of paths) {
    // What is wrong with any other path is said where it is read as text.
    const entry = isPdfName(path) ? await workspace.find(path).catch(() => undefined) : undefined;
    if (entry?.kind !== "file") {
      others.push(path);
      continue;
    }
    if (pdfs.has(entry.path)) continue;
    pdfs.add(entry.path);
    try {
      const bytes = await read(entry, { workspace, maxBytes: MAX_BYTES_IN_ALL - otherBytes - sizeBytes });
      if (!isPdf(bytes)) {
        pdfs.delete(entry.path);
        others.push(path);
        continue;
      }
      const document = await toDocument(entry, bytes);
      const ownTokens = pagesOf(document.part.url.length) * PAGE_TOKENS;
      if (ownTokens > budgetTokens - tokens) {
        leftOut.push(noRoom(entry.shownAs, { tokens: ownTokens, left: budgetTokens - tokens }));
        continue;
      }
      sizeBytes += bytes.length;
      tokens += ownTokens;
      loaded.push(document);
    } catch (thrown) {
      const { code, message } = ExaiError.from(thrown);
      if (!notesErrors || code === "FORBIDDEN") throw thrown;
      leftOut.push({ name: entry.shownAs, reason: message, kind: "unreadable" });
    }
  }
  const parts = loaded.map(({ part }) => part);
  const files = loaded.map(({ file }) => file);
  return { parts, files, paths: [...pdfs], sizeBytes, tokens, others, leftOut };
}

/** Whether a file of this name may be a document. */
function isPdfName(path: string): boolean {
  return /\.pdf$/i.test(path);
}

async function read(
  entry: WorkspaceEntry,
  { workspace, maxBytes }: { workspace: Workspace; maxBytes: number },
): Promise<Uint8Array> {
  if (entry.sizeBytes <= maxBytes) return await workspace.read(entry, { maxBytes });
  throw new ExaiError(
    "TOO_LARGE",
    `${entry.shownAs} has ${formatBytes(entry.sizeBytes)}, and the PDFs of a call may have ${
      formatBytes(MAX_BYTES_IN_ALL)
    } in all; give a part of it`,
  );
}

function isPdf(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes.subarray(0, MARK_WITHIN_BYTES)).includes("%PDF-");
}

async function toDocument({ path, shownAs: name }: WorkspaceEntry, bytes: Uint8Array) {
  const url = `data:application/pdf;base64,${bytes.toBase64()}`;
  const part: DocumentPart = { type: "document", name, url };
  const file: SentFile = { path, hash: await hashOf(bytes), named: true };
  return { part, file };
}
