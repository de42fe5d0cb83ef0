import { ExaiError } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import type { WalkResult, Workspace, WorkspaceEntry } from "../../workspace/workspace.ts";
import { type Attachment, renderAttachment } from "./attachment.ts";
import { type LeftOut, LeftOutList, noRoom, type Omission } from "./left_out.ts";
import { describeSecrets, isOnlyKey, replaceSecrets, shownName } from "./secrets.ts";
import { decodeText } from "./text_content.ts";

/** The collected material, most important first, and what was omitted. */
export interface Material {
  attachments: readonly Attachment[];
  /** Bounded: the most important omissions by name, the rest as numbers. */
  leftOut: readonly LeftOut[];
}

export interface BuilderOptions {
  /** The token budget for all material, the notes on what is left out included. */
  budgetTokens: number;
  estimateTokens(text: string): number | Promise<number>;
}

/** The error for a file that is a private key and nothing else. */
function keyError(name: string): ExaiError {
  return new ExaiError("FORBIDDEN", `${name} is a private key, which no model is sent; leave it out`);
}

/** A larger file is no key, and takes long to look through. */
const MAX_KEY_FILE_BYTES = 1_000_000;

/**
 * Rejects a file that is to be uploaded as it is, if there is a private key in it.
 *
 * @throws {ExaiError} `FORBIDDEN`; what {@linkcode Workspace.read} throws
 */
export async function rejectKey(file: WorkspaceEntry, workspace: Workspace): Promise<void> {
  const { shownAs: name, sizeBytes } = file;
  if (sizeBytes > MAX_KEY_FILE_BYTES) return;
  const decoded = decodeText(await workspace.read(file, { maxBytes: MAX_KEY_FILE_BYTES }));
  if (decoded.kind !== "text") return;
  if (replaceSecrets(decoded.text, { keysOnly: true }).secrets.length === 0) return;
  throw new ExaiError("FORBIDDEN", `${name} holds a private key, which no model is sent; take it out`);
}

/** The part of the budget for notes. */
const NOTES_SHARE = 0.1;
const MAX_NOTES_TOKENS = 3000;

/** More characters than any token has on average over a text. */
const MAX_CHARS_PER_TOKEN = 16;

const MAX_NAME_CHARS = 300;

/**
 * Collects attachments within a token budget, without duplicates and without secrets. Every text passes here on its way
 * into a prompt.
 */
export class MaterialBuilder {
  readonly #attachments: Attachment[] = [];
  readonly #leftOut = new LeftOutList();
  readonly #nameByHash = new Map<string, string>();
  readonly #options: BuilderOptions;
  readonly #notesTokens: number;
  #remainingTokens: number;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#notesTokens = Math.min(MAX_NOTES_TOKENS, Math.floor(options.budgetTokens * NOTES_SHARE));
    this.#remainingTokens = Math.max(0, options.budgetTokens - this.#notesTokens);
  }

  /**
   * Adds an attachment, or notes why it is omitted. Only private keys are taken out of a file that the caller named.
   *
   * @param prepare converts the text once the secrets are out of it
   * @throws {ExaiError} `FORBIDDEN` for a named file that is a private key and nothing else
   */
  async add(attachment: Attachment, prepare = (text: string) => text): Promise<void> {
    const { hash, isNamed = false } = attachment;
    const name = isNamed
      ? visible(attachment.name, MAX_NAME_CHARS)
      : shownName(attachment.name, MAX_NAME_CHARS);
    const same = this.#nameByHash.get(hash);
    if (same !== undefined) {
      return this.omit({ name, reason: `same content as ${same}`, kind: "duplicate" });
    }
    if (!this.hasRoomFor(attachment.text.length)) return this.omitForRoom(name);
    const redaction = replaceSecrets(attachment.text, { keysOnly: isNamed });
    if (isOnlyKey(redaction)) throw keyError(name);
    const added = { ...attachment, name, text: prepare(redaction.text) };
    const tokens = await this.#options.estimateTokens(renderAttachment(added));
    if (tokens > this.#remainingTokens) return this.omitForRoom(name, tokens);
    if (redaction.secrets.length > 0) {
      this.omit({ name, reason: describeSecrets(redaction.secrets), kind: "redacted" });
    }
    this.#remainingTokens -= tokens;
    this.#nameByHash.set(hash, name);
    this.#attachments.push(added);
  }

  /** Whether a text of so many characters can fit; it is not worth reading otherwise. */
  hasRoomFor(chars: number): boolean {
    return chars <= this.#remainingTokens * MAX_CHARS_PER_TOKEN;
  }

  omit(omission: Omission): void {
    this.#leftOut.add(omission);
  }

  omitForRoom(name: string, tokens?: number): void {
    this.omit(noRoom(name, { tokens, left: this.#remainingTokens }));
  }

  omitError(name: string, thrown: unknown): void {
    this.omit({ name, reason: ExaiError.from(thrown).message, kind: "unreadable" });
  }

  /** Notes what a listing of `directory` left out. */
  omitSkipped({ shownAs }: WorkspaceEntry, { skipped, more }: WalkResult, maxFiles: number): void {
    for (const { reason, kind, count, examples } of skipped) {
      const names = examples.join(", ") + (count > examples.length ? `, … (${count} in all)` : "");
      this.omit({ name: names, reason, kind, count });
    }
    if (!more) return;
    const reason = `only its ${maxFiles} files changed last are looked at; name others one by one`;
    this.omit({ name: `${shownAs}/…`, reason, kind: "too_many" });
  }

  async finish(): Promise<Material> {
    const { estimateTokens } = this.#options;
    const leftOut = await this.#leftOut.within({ budgetTokens: this.#notesTokens, estimateTokens });
    return { attachments: this.#attachments, leftOut };
  }
}
