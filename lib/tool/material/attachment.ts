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
}

/** Omitted material and the reason. */
export interface LeftOut {
  name: string;
  reason: string;
}

/** A file shown in a thread, as the thread stores it. */
export interface SentFile extends JsonObject {
  path: string;
  hash: string;
}

/** Renders an attachment for a message, between the BEGIN and END markers that the prompts refer to. */
export function renderAttachment({ name, text }: Attachment): string {
  return `--- BEGIN ${name} ---\n${text}${text.endsWith("\n") ? "" : "\n"}--- END ${name} ---`;
}

/** Returns the SHA-256 of `bytes` in hex. */
export async function hashOf(bytes: Uint8Array | string): Promise<string> {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>)).toHex();
}
