import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { MAX_FILE_BYTES, type Workspace, type WorkspaceEntry } from "../../workspace/workspace.ts";
import { isLinkToSecret, NOT_WORTH_READING, usuallyHoldsSecrets } from "../../workspace/worth_reading.ts";
import { type Attachment, hashOf } from "./attachment.ts";
import type { Omission } from "./left_out.ts";
import { type BuilderOptions, type Material, MaterialBuilder } from "./material_builder.ts";
import { decodeText, numberLines } from "./text_content.ts";

/** Files read from one directory, or found by a tool. */
const MAX_FOUND = 200;
/** Files found by a tool of which the newest are read. */
const MAX_CANDIDATES = 5000;

/** The material to collect for a question. */
export interface MaterialRequest {
  /** Texts other than files; first in order. */
  documents?: readonly Attachment[];
  /** What the tool itself left out of the documents. */
  leftOut?: readonly Omission[];
  /** Files and directories named in this call. */
  named: readonly string[];
  /**
   * Whether a file of `named` that cannot be shown is noted; otherwise it rejects the call. One outside the session's
   * directories always does.
   */
  notesErrors?: boolean;
  /** Files and directories named earlier, latest first; an error in one is noted. */
  earlier?: readonly string[];
  /** Files shown earlier that nobody named, latest first. */
  shownEarlier?: readonly string[];
  /** Files that the tool found worth reading, such as untracked ones. */
  found?: readonly string[];
  /** Whether to number the lines. */
  lineNumbers: boolean;
}

interface CollectOptions extends BuilderOptions {
  workspace: Workspace;
  signal: AbortSignal;
}

/**
 * Reads the requested material without duplicates until the budget is used up: documents, files named in this call,
 * files named earlier, files that were found; each most recently changed first.
 *
 * @throws {ExaiError} for a named file that is forbidden, missing, too large, no text or a private key, unless errors
 * are noted
 */
export async function collect(request: MaterialRequest, options: CollectOptions): Promise<Material> {
  return await new Collector(request, options).collect();
}

const SECRET = { reason: NOT_WORTH_READING.secret, kind: "secret" } as const;

/** What an error does to a call: each rejects it, only that of a forbidden path does, or it is noted. */
type OnError = "reject" | "reject_forbidden" | "note";

/** A file to read. */
interface FileCandidate {
  entry: WorkspaceEntry;
  /** Whether the caller named it, or it was found. */
  isNamed: boolean;
  onError: OnError;
}

class Collector {
  readonly #request: MaterialRequest;
  readonly #options: CollectOptions;
  readonly #builder: MaterialBuilder;
  readonly #seen = new Set<string>();
  readonly #resolved = new Set<string>();

  constructor(request: MaterialRequest, options: CollectOptions) {
    this.#request = request;
    this.#options = options;
    this.#builder = new MaterialBuilder(options);
  }

  async collect(): Promise<Material> {
    const { documents = [], leftOut = [], named, notesErrors } = this.#request;
    const { earlier = [], shownEarlier = [], found = [] } = this.#request;
    for (const omission of leftOut) this.#builder.omit(omission);
    for (const document of documents) await this.#builder.add(document);
    const now = await this.#resolve(named, { onError: notesErrors ? "reject_forbidden" : "reject" });
    for (const candidate of now.sort(newestFirst)) await this.#read(candidate);
    // These are in order.
    for (const candidate of await this.#resolve(earlier, { onError: "note" })) await this.#read(candidate);
    for (const { entry } of await this.#resolve(shownEarlier, { onError: "note" })) {
      await this.#read({ entry, isNamed: false, onError: "note" });
    }
    for (const candidate of await this.#find(found)) await this.#read(candidate);
    return await this.#builder.finish();
  }

  /** Resolves paths to distinct files; a directory to the files in it. */
  async #resolve(paths: readonly string[], { onError }: { onError: OnError }): Promise<FileCandidate[]> {
    const { workspace, signal } = this.#options;
    const files = new Map<string, FileCandidate>();
    for (const path of paths) {
      throwIfAborted(signal);
      if (this.#resolved.has(path)) continue;
      this.#resolved.add(path);
      const entry = await workspace.find(path).catch((thrown) => {
        const isForbidden = thrown instanceof ExaiError && thrown.code === "FORBIDDEN";
        if (onError === "reject" || (onError === "reject_forbidden" && isForbidden)) throw thrown;
        this.#builder.omitError(path, thrown);
      });
      if (entry === undefined) continue;
      if (entry.kind === "file") {
        if (isLinkToSecret(path, entry.shownAs)) {
          this.#builder.omit({ name: `${path} (a link to ${entry.shownAs})`, ...SECRET });
          continue;
        }
        files.set(entry.path, { entry, isNamed: true, onError });
        continue;
      }
      const walked = await workspace.walk(entry, { maxFiles: MAX_FOUND, signal });
      for (const file of walked.files) {
        if (!files.has(file.path)) files.set(file.path, { entry: file, isNamed: false, onError: "note" });
      }
      this.#builder.omitSkipped(entry, walked, MAX_FOUND);
    }
    return [...files.values()];
  }

  /** Resolves files that were found: those worth reading, the newest of them first. */
  async #find(paths: readonly string[]): Promise<FileCandidate[]> {
    const { workspace, signal } = this.#options;
    const files: FileCandidate[] = [];
    for (const path of paths.slice(0, MAX_CANDIDATES)) {
      throwIfAborted(signal);
      const entry = await workspace.find(path).catch((thrown) => this.#builder.omitError(path, thrown));
      if (entry?.kind !== "file") continue;
      // The path may be a link to a file of another name.
      if (usuallyHoldsSecrets(entry.shownAs)) {
        this.#builder.omit({ name: entry.shownAs, ...SECRET });
      } else files.push({ entry, isNamed: false, onError: "note" });
    }
    const rest = Math.max(0, paths.length - MAX_CANDIDATES) + Math.max(0, files.length - MAX_FOUND);
    if (rest > 0) {
      const reason = `only the ${MAX_FOUND} changed last are looked at; name others one by one`;
      this.#builder.omit({ name: `${rest} files nobody named`, reason, kind: "too_many", count: rest });
    }
    return files.sort(newestFirst).slice(0, MAX_FOUND);
  }

  async #read({ entry, isNamed, onError }: FileCandidate): Promise<void> {
    const { workspace, signal } = this.#options;
    throwIfAborted(signal);
    if (this.#seen.has(entry.path)) return;
    this.#seen.add(entry.path);
    const { path, shownAs: name } = entry;
    // Too large for any window is an error of the caller's, too large for what is left is not.
    if (
      entry.sizeBytes <= MAX_FILE_BYTES && !this.#builder.hasRoomFor(entry.sizeBytes / MAX_BYTES_PER_CHAR)
    ) {
      return this.#builder.omitForRoom(name);
    }
    try {
      const bytes = await workspace.read(entry, { maxBytes: MAX_FILE_BYTES });
      const { text, guessed } = readText(bytes, name);
      const prepare = this.#request.lineNumbers ? numberLines : undefined;
      await this.#builder.add({ name, text, hash: await hashOf(bytes), path, isNamed }, prepare);
      if (guessed !== undefined) {
        const reason = `read as ${guessed}, which is a guess: it is not UTF-8`;
        this.#builder.omit({ name, reason, kind: "guessed" });
      }
    } catch (thrown) {
      if (onError === "reject") throw thrown;
      this.#builder.omitError(name, thrown);
    }
  }
}

/** In UTF-8; other encodings take fewer. */
const MAX_BYTES_PER_CHAR = 4;

/**
 * The text of a file called `name`.
 *
 * @throws {ExaiError} `INVALID_PARAMS` when it is binary, or in an encoding that cannot be told
 */
export function readText(bytes: Uint8Array, name: string): { text: string; guessed?: string } {
  const decoded = decodeText(bytes);
  switch (decoded.kind) {
    case "text":
      return decoded;
    case "binary":
      throw new ExaiError(
        "INVALID_PARAMS",
        `${name} is no text file; leave it out, or name it in images if it is one`,
      );
    case "unclear":
      throw new ExaiError(
        "INVALID_PARAMS",
        `${name} is no UTF-8, and which encoding it has cannot be told (${
          decoded.candidates.join(" or ") || "none fits"
        }); ` +
          "save it as UTF-8",
      );
  }
}

function newestFirst(a: FileCandidate, b: FileCandidate): number {
  return b.entry.modifiedAtMs - a.entry.modifiedAtMs;
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}
