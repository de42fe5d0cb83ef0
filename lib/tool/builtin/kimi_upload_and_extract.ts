import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { formatBytes, MIB } from "../../base/units.ts";
import type { WorkspaceEntry } from "../../workspace/workspace.ts";
import { ASKS_MODELS } from "../annotations.ts";
import { progressSender } from "../dialogue/call_progress.ts";
import { rejectKey } from "../material/material_builder.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import type { ToolOutput } from "../tool_output.ts";

/** The limit of Kimi's Files API. The files are not part of a prompt, so prompt limits do not apply. */
const MAX_UPLOAD_BYTES = 100 * MIB;
const MAX_FILES = 20;

const input = z.object({
  files: z.array(z.string().min(1)).min(1).max(MAX_FILES),
  purpose: z.enum(["file-extract", "assistants"]).default("file-extract"),
});

type ExtractArgs = z.output<typeof input>;

/** Uploads files to Kimi and returns the extracted text: PDFs, office documents, scans. */
export const kimiUploadAndExtract = defineTool({
  name: "kimi_upload_and_extract",
  title: "Kimi upload and extract",
  description: "Upload documents (PDF, Office, images, code) to Kimi's Files API and get their text back.",
  input,
  annotations: ASKS_MODELS,
  needs: "kimi",
  run: extract,
});

async function extract({ files, purpose }: ExtractArgs, context: ToolContext): Promise<ToolOutput> {
  const { models, workspace, signal } = context;
  const service = models.files("kimi");
  // All files are validated before the first upload.
  const entries = await Promise.all(files.map((file) => findFile(file, context)));
  const sendProgress = progressSender(context);
  const results: JsonObject[] = [];
  for (const [index, entry] of entries.entries()) {
    const name = entry.shownAs.split("/").at(-1)!;
    sendProgress(`${name} (${index + 1} of ${entries.length})`);
    const bytes = await workspace.read(entry, { maxBytes: MAX_UPLOAD_BYTES });
    rejectKey(entry.shownAs, bytes);
    const { id, text, sizeBytes, cached } = await service.upload({ name, bytes, purpose }, { signal });
    results.push({ file: entry.shownAs, file_id: id, size_bytes: sizeBytes, cached, text });
  }
  return { content: { purpose, files: results }, provider: "kimi" };
}

async function findFile(path: string, { workspace }: ToolContext): Promise<WorkspaceEntry> {
  const entry = await workspace.find(path);
  if (entry.kind !== "file") {
    throw new ExaiError("INVALID_PARAMS", `${entry.shownAs} is a directory; name the files one by one`);
  }
  if (entry.sizeBytes === 0) {
    throw new ExaiError("INVALID_PARAMS", `${entry.shownAs} is empty; leave it out`);
  }
  if (entry.sizeBytes > MAX_UPLOAD_BYTES) {
    const size = formatBytes(entry.sizeBytes);
    const limit = formatBytes(MAX_UPLOAD_BYTES);
    throw new ExaiError("TOO_LARGE", `${entry.shownAs} has ${size}, and Kimi takes ${limit}; split it`);
  }
  return entry;
}
