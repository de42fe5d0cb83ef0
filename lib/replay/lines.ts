import { ExaiError, messageOf } from "../base/errors.ts";
import { LineSplitter } from "../base/line_splitter.ts";
import { formatBytes, MIB } from "../base/units.ts";

/** The longest line, and the largest file, in UTF-16 code units and bytes: one session is held in memory. */
const MAX_LINE_CHARS = 64 * MIB;
const MAX_FILE_BYTES = 1024 * MIB;

/**
 * The lines of the file `path`, without their ends; the last need not have one.
 *
 * @throws {ExaiError} `CONFIG` for one that cannot be read, is no regular file, no UTF-8, or too large
 */
export async function* readLines(path: string, maxLineChars = MAX_LINE_CHARS): AsyncGenerator<string> {
  const fault = (why: string) => new ExaiError("CONFIG", `${path} cannot be replayed: ${why}`);
  const parts = (await open(path, fault)).pipeThrough(new TextDecoderStream("utf-8", { fatal: true }));
  const lines = new LineSplitter();
  try {
    for await (const part of parts) {
      yield* lines.take(part);
      if (lines.begunChars > maxLineChars) {
        throw fault(`it has a line of more than ${formatBytes(maxLineChars)}, which no export has`);
      }
    }
  } catch (thrown) {
    throw thrown instanceof TypeError ? fault("it is no text in UTF-8") : thrown;
  }
  const rest = lines.rest();
  if (rest !== "") yield rest;
}

/** A directory cannot be read, and a pipe would be waited for. */
async function open(
  path: string,
  fault: (why: string) => ExaiError,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw fault("it is no file");
    if (size > MAX_FILE_BYTES) {
      const most = formatBytes(MAX_FILE_BYTES);
      throw fault(`it holds ${formatBytes(size)}, and ${most} is the most; export one session by --session`);
    }
    return (await Deno.open(path)).readable;
  } catch (thrown) {
    throw thrown instanceof ExaiError ? thrown : fault(messageOf(thrown));
  }
}
