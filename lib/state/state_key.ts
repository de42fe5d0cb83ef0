import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { othersCanRead, whyUntrusted } from "../config/trust.ts";
import { base64url, fromBase64url } from "../wire/proof.ts";
import { writePrivateFile } from "./state_files.ts";

const log = getLogger(["exai", "state"]);

/**
 * The key with which a daemon seals what its clients keep for it between two requests. It lies in the file at `path`,
 * so that the next daemon can read what this one has sealed; a key that others may know is replaced, which costs no more
 * than the questions that are open at that moment. Never throws: where the file cannot be written, the key ends with the
 * process.
 *
 * @param bytes of a key
 */
export async function keptStateKey(path: string, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const kept = await readKey(path, bytes);
  const key = kept ?? crypto.getRandomValues(new Uint8Array(bytes));
  const text = base64url(key);
  registerSecret(text);
  try {
    if (!kept) await writePrivateFile(path, `${text}\n`);
  } catch (thrown) {
    log.warning(
      "the key of open questions cannot be kept in {path}, and they end with this daemon: {reason}",
      { path, reason: messageOf(thrown) },
    );
  }
  return key;
}

/** The key in the file; undefined where there is none that only this user knows. */
async function readKey(path: string, bytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (whyUntrusted(path) !== undefined || othersCanRead(path)) return undefined;
  try {
    const key = fromBase64url((await readRegularFile(path)).trim());
    return key.length === bytes ? key : undefined;
  } catch {
    return undefined;
  }
}
