import { resolvedWithin } from "../../base/abort.ts";
import { messageOf } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import { KEYCHAIN_WAIT_MS, KeychainError } from "../keychain.ts";

/** How a program that speaks with a keychain ended. */
interface KeychainRun {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program of the system to its end. What is secret goes in by stdin: arguments are seen by every user.
 *
 * @param program its name or path
 * @throws {KeychainError} when it is not there or does not end
 */
export async function runKeychainProgram(
  program: string,
  args: readonly string[],
  { input = "", timeoutMs = KEYCHAIN_WAIT_MS }: { input?: string; timeoutMs?: number } = {},
): Promise<KeychainRun> {
  let child: Deno.ChildProcess;
  try {
    const command = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    child = command.spawn();
  } catch (thrown) {
    throw new KeychainError(`${program} cannot be run: ${messageOf(thrown)}`);
  }
  // One that ends before it has read this says why itself.
  void feed(child.stdin, input);
  const output = child.output();
  output.catch(() => {});
  const ended = await resolvedWithin(output, timeoutMs);
  if (ended === undefined) {
    kill(child);
    throw new KeychainError(
      `it has not answered for ${
        timeoutMs / SECOND_MS
      } s; unlock it, a window of the desktop may ask for the password`,
    );
  }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: ended.code, stdout: text(ended.stdout), stderr: text(ended.stderr).trim() };
}

async function feed(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  try {
    const writer = stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // It has ended.
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}
