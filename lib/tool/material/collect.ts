import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { MAX_FILE_BYTES, type Workspace, type WorkspaceEntry } from "../../workspace/workspace.ts";
import { type Attachment, hashOf, type LeftOut, renderAttachment } from "./attachment.ts";
import { decodeText, numberLines } from "./text_content.ts";

/** Files read from one directory. */
const MAX_FROM_DIRECTORY = 200;

/** The material to collect for a question. */
export interface MaterialRequest {
  /** Texts other than files; first in order. */
  documents?: readonly Attachment[];
  /** Files and directories named in this call; an error in one rejects the call. */
  named: readonly string[];
  /** Real paths of files from earlier, latest first; an error in one only omits it. */
  earlier?: readonly string[];
  /** Whether to number the lines. */
  lineNumbers: boolean;
}

interface CollectOptions {
  workspace: Workspace;
  /** The token budget for all material. */
  budgetTokens: number;
  estimateTokens(text: string): number | Promise<number>;
  signal: AbortSignal;
}

/** The collected material, most important first, and what was omitted. */
export interface Material {
  attachments: readonly Attachment[];
  leftOut: readonly LeftOut[];
}

/**
 * Reads the requested material without duplicates until the budget is used up: files named in this call before those
 * from earlier, most recently changed first.
 *
 * @throws {ExaiError} for a named file that is forbidden, missing, too large or not text
 */
export async function collect(request: MaterialRequest, options: CollectOptions): Promise<Material> {
  const { workspace, signal } = options;
  const { lineNumbers } = request;
  const builder = new MaterialBuilder(options);
  for (const document of request.documents ?? []) await builder.add(document);
  const found = await findNamed(request.named, { workspace, signal });
  builder.leftOut.push(...found.leftOut);
  const seen = new Set<string>();
  for (const { entry, isOptional } of found.files) {
    seen.add(entry.path);
    if (signal.aborted) throw abortError(signal);
    await readInto(builder, entry, { isOptional, lineNumbers, workspace });
  }
  for (const path of request.earlier ?? []) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (signal.aborted) throw abortError(signal);
    const entry = await workspace.find(path).catch((thrown) => void builder.omit(path, thrown));
    if (entry?.kind === "file") await readInto(builder, entry, { isOptional: true, lineNumbers, workspace });
  }
  return builder;
}

/** Resolves named paths to distinct files, most recently changed first. */
async function findNamed(
  named: readonly string[],
  { workspace, signal }: Pick<CollectOptions, "workspace" | "signal">,
) {
  const files = new Map<string, { entry: WorkspaceEntry; isOptional: boolean }>();
  const leftOut: LeftOut[] = [];
  for (const path of named) {
    const entry = await workspace.find(path);
    if (entry.kind === "file") {
      files.set(entry.path, { entry, isOptional: false });
      continue;
    }
    const walked = await workspace.walk(entry, { maxFiles: MAX_FROM_DIRECTORY, signal });
    for (const file of walked.files) {
      if (!files.has(file.path)) files.set(file.path, { entry: file, isOptional: true });
    }
    if (walked.more) {
      const reason =
        `only its ${MAX_FROM_DIRECTORY} files changed last are looked at; name others one by one`;
      leftOut.push({ name: `${entry.shownAs}/…`, reason });
    }
  }
  const newestFirst = [...files.values()].sort((a, b) => b.entry.modifiedAtMs - a.entry.modifiedAtMs);
  return { files: newestFirst, leftOut };
}

interface FileReadOptions {
  /** Whether an error omits the file instead of rejecting the call. */
  isOptional: boolean;
  lineNumbers: boolean;
  workspace: Workspace;
}

async function readInto(
  builder: MaterialBuilder,
  entry: WorkspaceEntry,
  { isOptional, lineNumbers, workspace }: FileReadOptions,
): Promise<void> {
  try {
    const bytes = await workspace.read(entry, { maxBytes: MAX_FILE_BYTES });
    const text = decodeText(bytes);
    if (text === undefined) {
      throw new ExaiError(
        "INVALID_PARAMS",
        `${entry.shownAs} is no text file; leave it out, or name it in images if it is one`,
      );
    }
    const shown = lineNumbers ? numberLines(text) : text;
    await builder.add({ name: entry.shownAs, text: shown, hash: await hashOf(bytes), path: entry.path });
  } catch (thrown) {
    if (!isOptional) throw thrown;
    builder.omit(entry.shownAs, thrown);
  }
}

/** Collects attachments within a token budget and without duplicates. */
class MaterialBuilder implements Material {
  readonly attachments: Attachment[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly #nameByHash = new Map<string, string>();
  readonly #options: CollectOptions;
  #remainingTokens: number;

  constructor(options: CollectOptions) {
    this.#options = options;
    this.#remainingTokens = options.budgetTokens;
  }

  async add(attachment: Attachment): Promise<void> {
    const { name, hash } = attachment;
    const same = this.#nameByHash.get(hash);
    if (same !== undefined) return void this.leftOut.push({ name, reason: `same content as ${same}` });
    const tokens = await this.#options.estimateTokens(renderAttachment(attachment));
    if (tokens > this.#remainingTokens) {
      const reason = `about ${tokens} tokens, and the model's window has ${
        Math.max(0, this.#remainingTokens)
      } left`;
      return void this.leftOut.push({ name, reason });
    }
    this.#remainingTokens -= tokens;
    this.#nameByHash.set(hash, name);
    this.attachments.push(attachment);
  }

  omit(name: string, thrown: unknown): void {
    this.leftOut.push({ name, reason: ExaiError.from(thrown).message });
  }
}
