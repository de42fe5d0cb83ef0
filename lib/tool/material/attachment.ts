import type { JsonObject } from "../../base/json.ts";

/** A text shown to the model with the question: a file, or a part of a diff. */
export interface Attachment {
  /** The displayed name, such as `src/a.ts`. */
  name: string;
  text: string;
  /** The SHA-256 of the source, in hex. */
  hash: string;
  /** The real path; absent if it is not a file. */
  path?: string;
  /** Whether the caller asked for this file by its own name. */
  isNamed?: boolean;
}

/** A file shown in a thread, as the thread stores it. */
export interface SentFile extends JsonObject {
  path: string;
  hash: string;
  /** True if the caller asked for it by its own name; false or absent if it was found in a directory or by a tool. */
  named?: boolean;
}

/**
 * Renders an attachment for a message, between the BEGIN and END markers that the prompts refer to. A line of the text
 * that looks like one is indented, so that a file cannot end the material and go on as the caller.
 */
export function renderAttachment({ name, text }: Attachment): string {
  const inner = text.replace(/^-{3} (?:BEGIN|END) /gm, " $&");
  return `--- BEGIN ${name} ---\n${inner}${inner.endsWith("\n") ? "" : "\n"}--- END ${name} ---`;
}

/** Returns the SHA-256 of `bytes` in hex. */
export async function hashOf(bytes: Uint8Array | string): Promise<string> {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>)).toHex();
}

/** Names of attachments in an answer, and their characters. */
const MAX_SHOWN = 100;
const MAX_SHOWN_CHARS = 8000;

/** The names of `attachments` for an answer, in bounded space. */
export function shownNames(attachments: readonly Attachment[]): string[] {
  const names: string[] = [];
  let chars = 0;
  for (const { name } of attachments.slice(0, MAX_SHOWN)) {
    chars += name.length;
    if (chars > MAX_SHOWN_CHARS) break;
    names.push(name);
  }
  const more = attachments.length - names.length;
  return more > 0 ? [...names, `and ${more} more`] : names;
}
