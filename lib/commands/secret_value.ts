import { promptSecret } from "@std/cli/prompt-secret";
import { ExaiError, UsageError } from "../base/errors.ts";
import { boundedBody } from "../base/http_response.ts";
import { KIB } from "../base/units.ts";

/** More than any secret has; what is longer was not meant to be one. */
const MAX_BYTES = 256 * KIB;

/** What a terminal sends for Ctrl+C where the program reads each key, as on Windows. */
const INTERRUPT = "\x03";

/**
 * The value of a secret: from a prompt without an echo, or all of stdin where that is no terminal. Never from the command
 * line, which the shell keeps and other users see.
 *
 * @throws {UsageError} where there is none
 */
export async function readSecretValue(name: string): Promise<string> {
  const value = Deno.stdin.isTerminal() ? askFor(name) : await readStdin();
  if (value === "") throw new UsageError(`there is no value for ${name} on stdin; nothing was changed`);
  return value;
}

function askFor(name: string): string {
  const value = promptSecret(`Value of ${name} (not shown):`, { mask: "" }) ?? "";
  if (value.includes(INTERRUPT)) throw new ExaiError("CANCELLED", "nothing was changed");
  return value;
}

/** Without the line end that `echo` and here-documents add. */
async function readStdin(): Promise<string> {
  const tooLarge = () => new UsageError("what comes by stdin is too long for a secret: over 256 KiB");
  const bounded = boundedBody(new Response(Deno.stdin.readable), { maxBytes: MAX_BYTES, tooLarge });
  return textOfSecret(await bounded.bytes());
}

/**
 * The secret in `bytes`. Any other encoding is refused: read as UTF-8 it would become another secret, without a word.
 *
 * @throws {UsageError} where they are not UTF-8
 */
export function textOfSecret(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    throw new UsageError("what comes by stdin is not UTF-8, and a secret is text; nothing was changed");
  }
}
