import { getLogger } from "@logtape/logtape";
import { type Renewal, type RenewRequest, renewTokens } from "../auth/accounts.ts";
import type { CredentialStore } from "../auth/credential_store.ts";
import { withDeadline } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import { ownProgram, programFile } from "../client/daemon_program.ts";
import { isFile } from "../config/path_kind.ts";

const log = getLogger(["exai", "auth"]);

/** The words by which this program renews the tokens of an account and ends; it is no command for people. */
const WORDS: readonly string[] = ["auth", "refresh"];

/** As long as the lock of an account may take, and one request. */
const TIMEOUT_MS = 3 * MINUTE_MS;

/** Whether the words of a command line ask for {@linkcode renewFromStdin}. */
export function asksForRenewal(words: readonly string[]): boolean {
  return words.length === WORDS.length && WORDS.every((word, at) => word === words[at]);
}

/** Renews the tokens that standard input names; the outcome, as JSON. */
export async function renewFromStdin(store: CredentialStore): Promise<string> {
  const text = await new Response(Deno.stdin.readable).text();
  return JSON.stringify(await renewTokens(store, JSON.parse(text)));
}

/**
 * Renews tokens by a process that outlives this one: between the request that makes a refresh token worthless and the
 * writing of the next one, a daemon that is killed would lose the account. What it is to renew it is told on its standard
 * input, which no other user sees. Where it cannot be started this process does it.
 *
 * @param env what it needs to find the vault, beside the environment of this process
 */
export async function renewByProcess(
  store: CredentialStore,
  request: RenewRequest,
  env: Record<string, string>,
): Promise<Renewal> {
  // As where a test or another program has the daemon in it.
  if (!await isFile(programFile())) return await renewTokens(store, request);
  try {
    return await withDeadline(runRenewal(request, env), { timeoutMs: TIMEOUT_MS });
  } catch (thrown) {
    log.warning("{reason}; the daemon renews the tokens itself", { reason: messageOf(thrown) });
    return await renewTokens(store, request);
  }
}

async function runRenewal(request: RenewRequest, env: Record<string, string>): Promise<Renewal> {
  const { command, args } = ownProgram(WORDS);
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    // In its own session, so that signals to the process group of the daemon do not reach it.
    detached: true,
  }).spawn();
  // A daemon that stops does not wait for it.
  child.unref();
  const [{ code, stdout }] = await Promise.all([
    child.output(),
    sendTo(child.stdin, JSON.stringify(request)),
  ]);
  const renewal = code === 0 ? outcomeIn(new TextDecoder().decode(stdout)) : undefined;
  if (renewal) return renewal;
  throw new ExaiError(
    "INTERNAL",
    `the process that renews tokens ended with code ${code} and without an outcome`,
  );
}

async function sendTo(stdin: WritableStream<Uint8Array<ArrayBuffer>>, text: string): Promise<void> {
  // A process that has ended says so by its exit code.
  await new Blob([text]).stream().pipeTo(stdin).catch(() => {});
}

function outcomeIn(text: string): Renewal | undefined {
  try {
    const value = JSON.parse(text);
    return isObject(value) && typeof value.is === "string" ? value as unknown as Renewal : undefined;
  } catch {
    return undefined;
  }
}
