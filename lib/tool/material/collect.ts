import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { MAX_FILE_BYTES, type Workspace, type WorkspaceEntry } from "../../workspace/workspace.ts";
import { type Attachment, hashOf, type LeftOut, numberLines, renderAttachment } from "./attachment.ts";
import { decodeText } from "./text.ts";

/** Files taken from one directory. */
const MAX_FROM_DIRECTORY = 200;

/** What a question is to be shown with. */
export interface MaterialRequest {
  /** Texts that are no files; first in line. */
  documents?: readonly Attachment[];
  /** Files and directories the caller names now: what is wrong with one refuses the call. */
  named: readonly string[];
  /** Real paths of files known from before, latest first: what is wrong with one only leaves it out. */
  earlier?: readonly string[];
  /** Whether each line gets its number. */
  lineNumbers: boolean;
}

interface CollectOptions {
  workspace: Workspace;
  /** What all of it may take of the model's window. */
  budgetTokens: number;
  estimateTokens(text: string): number | Promise<number>;
  signal: AbortSignal;
}

/** What goes with a question, most wanted first, and what did not fit or could not be read. */
export interface Material {
  attachments: readonly Attachment[];
  leftOut: readonly LeftOut[];
}

/**
 * Reads what is wanted, each content once, as far as the budget goes: what was named now before what is known from
 * earlier, last changed first.
 *
 * @throws {ExaiError} for a named file that may not be read, is not there, is too large or is no text
 */
export async function collect(wanted: MaterialRequest, options: CollectOptions): Promise<Material> {
  const { workspace, signal } = options;
  const basket = new MaterialBuilder(options);
  for (const document of wanted.documents ?? []) await basket.add(document);
  const found = await findNamed(wanted.named, { workspace, signal });
  basket.leftOut.push(...found.leftOut);
  const seen = new Set<string>();
  for (const { entry, isOptional } of found.files) {
    seen.add(entry.path);
    if (signal.aborted) throw abortError(signal);
    await read(entry, { isOptional, wanted, basket, workspace });
  }
  for (const path of wanted.earlier ?? []) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (signal.aborted) throw abortError(signal);
    const entry = await workspace.find(path).catch((thrown) => void basket.refuse(path, thrown));
    if (entry?.kind === "file") await read(entry, { isOptional: true, wanted, basket, workspace });
  }
  return basket;
}

/** What named paths stand for: files, each once, last changed first. */
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
  /** Whether a file that cannot be shown is left out instead of refusing the call. */
  isOptional: boolean;
  wanted: MaterialRequest;
  basket: MaterialBuilder;
  workspace: Workspace;
}

async function read(
  entry: WorkspaceEntry,
  { isOptional, wanted, basket, workspace }: FileReadOptions,
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
    const shown = wanted.lineNumbers ? numberLines(text) : text;
    await basket.add({ name: entry.shownAs, text: shown, hash: await hashOf(bytes), path: entry.path });
  } catch (thrown) {
    if (!isOptional) throw thrown;
    basket.refuse(entry.shownAs, thrown);
  }
}

/** Takes texts until the budget is used up, and no text twice. */
class MaterialBuilder implements Material {
  readonly attachments: Attachment[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly #names = new Map<string, string>();
  readonly #options: CollectOptions;
  #leftTokens: number;

  constructor(options: CollectOptions) {
    this.#options = options;
    this.#leftTokens = options.budgetTokens;
  }

  async add(attachment: Attachment): Promise<void> {
    const { name, hash } = attachment;
    const same = this.#names.get(hash);
    if (same !== undefined) return void this.leftOut.push({ name, reason: `same content as ${same}` });
    const tokens = await this.#options.estimateTokens(renderAttachment(attachment));
    if (tokens > this.#leftTokens) {
      const reason = `about ${tokens} tokens, and the model's window has ${
        Math.max(0, this.#leftTokens)
      } left`;
      return void this.leftOut.push({ name, reason });
    }
    this.#leftTokens -= tokens;
    this.#names.set(hash, name);
    this.attachments.push(attachment);
  }

  refuse(name: string, thrown: unknown): void {
    this.leftOut.push({ name, reason: ExaiError.from(thrown).message });
  }
}
