/** A text a model is shown beside the question: a file, or a part of a diff. */
export interface Attachment {
  /** As the model and people read it: `src/a.ts`. */
  name: string;
  text: string;
  /** SHA-256 of what it was made of, in hex. */
  hash: string;
  /** Real path of a file; absent for what is none. */
  path?: string;
}

/** What was not shown, and why. */
export interface LeftOut {
  name: string;
  reason: string;
}

/** A file that was shown in a thread, as the thread keeps it. */
export interface SentFile {
  path: string;
  hash: string;
}

/** `attachment` as it stands in a message. The markers are what the prompts call BEGIN and END. */
export function renderAttachment({ name, text }: Attachment): string {
  return `--- BEGIN ${name} ---\n${text}${text.endsWith("\n") ? "" : "\n"}--- END ${name} ---`;
}

/** `text` with a number before each line, so that a model can name the place. */
export function numberLines(text: string): string {
  const lines = text.replace(/\n$/, "").split("\n");
  const width = String(lines.length).length;
  return lines.map((line, i) => `${String(i + 1).padStart(width)}| ${line}`).join("\n");
}

/** SHA-256 of `bytes` in hex. */
export async function hashOf(bytes: Uint8Array | string): Promise<string> {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>)).toHex();
}
