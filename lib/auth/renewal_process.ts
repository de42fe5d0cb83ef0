import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { CredentialStore } from "./credential_store.ts";
import { TOKEN_REQUEST_MS } from "./oauth/auth_fetch.ts";
import { type Renewal, type RenewRequest, renewTokens } from "./oauth/renew.ts";

const log = getLogger(["exai", "auth"]);

/** The words by which this program renews tokens for a daemon or a command; it is no command for people. */
const WORDS: readonly string[] = ["auth", "refresh"];

/**
 * Longer than another's request, for which the account is locked, one request and the vault may take: a process that has
 * not answered by then hangs.
 */
const TIMEOUT_MS = 3 * TOKEN_REQUEST_MS;

/** How long the process waits for more to renew: to start it takes half a second, which is long for short-lived tokens. */
const IDLE_MS = 20 * SECOND_MS;

/** A line on standard input of the process, and the line that answers it. */
interface NumberedRequest extends RenewRequest {
  number: number;
  /** {@linkcode CredentialStore.keys} of whoever asks: a keychain would ask its user once more, for each such process. */
  keys: readonly string[];
}
interface NumberedRenewal {
  number: number;
  renewal: Renewal;
}

/** Whether the words of a command line ask for {@linkcode renewFromStdin}. */
export function asksForRenewal(words: readonly string[]): boolean {
  return words.length === WORDS.length && WORDS.every((word, at) => word === words[at]);
}

/** Renews what each line of standard input names, until that ends; `answer` takes the outcomes, each as a line. */
export async function renewFromStdin(store: CredentialStore, answer: (line: string) => void): Promise<void> {
  outliveSignals();
  const running = new Set<Promise<void>>();
  for await (const line of linesOf(Deno.stdin.readable)) {
    const renewing = renewOne(store, line, answer).finally(() => running.delete(renewing));
    running.add(renewing);
  }
  // Whoever asked has ended: what was asked for is done all the same.
  await Promise.all(running);
}

/** A service manager signals all processes of a daemon: what was begun is ended first, and then the input ends. */
function outliveSignals(): void {
  if (Deno.build.os === "windows") return;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
}

async function renewOne(store: CredentialStore, line: string, answer: (line: string) => void): Promise<void> {
  const { number, keys, ...request }: NumberedRequest = JSON.parse(line);
  let renewal: Renewal;
  try {
    await store.useKeys?.(keys);
    renewal = await renewTokens(store, request);
  } catch (thrown) {
    renewal = { is: "failed", why: messageOf(thrown) };
  }
  try {
    answer(JSON.stringify({ number, renewal } satisfies NumberedRenewal));
  } catch {
    // Nobody waits for it any more.
  }
}

/** The command line of this program with other words; undefined where it is part of another program, as of a test. */
export type FindOwnProgram = (
  words: readonly string[],
) => Promise<{ command: string; args: string[] } | undefined>;

interface RenewalProcessParts {
  store: CredentialStore;
  /** What the process needs to find the vault, beside the environment of this one. */
  env: Record<string, string>;
  findProgram: FindOwnProgram;
  /** After what time without an answer it is taken to hang, in milliseconds; for tests. */
  timeoutMs?: number;
}

/**
 * Renews tokens by a process that outlives this one: between the request that makes a refresh token worthless and the
 * writing of the next one, a daemon that is killed would lose the account. What to renew it is told on its standard input,
 * which no other user sees. Where it cannot be started, this process does it.
 */
export class RenewalProcess implements Disposable {
  readonly #parts: RenewalProcessParts;
  #running: RunningProcess | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #number = 0;

  constructor(parts: RenewalProcessParts) {
    this.#parts = parts;
  }

  async renew(request: RenewRequest): Promise<Renewal> {
    const { store, findProgram } = this.#parts;
    const program = await findProgram(WORDS);
    if (!program) return await renewTokens(store, request);
    try {
      return await this.#ask(this.#running ??= this.#start(program), request);
    } catch (thrown) {
      log.warning("{reason}; this process renews the tokens itself", { reason: messageOf(thrown) });
      return await renewTokens(store, request);
    }
  }

  async #ask(running: RunningProcess, request: RenewRequest): Promise<Renewal> {
    clearTimeout(this.#idle);
    const { store, timeoutMs = TIMEOUT_MS } = this.#parts;
    const number = ++this.#number;
    const waiting = Promise.withResolvers<Renewal>();
    running.waiting.set(number, waiting);
    const line = JSON.stringify({ number, keys: store.keys ?? [], ...request } satisfies NumberedRequest);
    // A process that has ended says so by the end of its output.
    running.stdin.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
    const late = new ExaiError("TIMEOUT", "the process that renews tokens does not answer");
    try {
      return await withDeadline(waiting.promise, { timeoutMs, late });
    } catch (thrown) {
      // The next renewal gets another process. This one is not killed: it may have sent a token that cannot be sent again.
      if (thrown === late) this.#leave(running);
      throw thrown;
    } finally {
      running.waiting.delete(number);
      if (running.waiting.size === 0 && this.#running === running) this.#endSoon(running);
    }
  }

  #start({ command, args }: NonNullable<Awaited<ReturnType<FindOwnProgram>>>): RunningProcess {
    const child = new Deno.Command(command, {
      args,
      env: this.#parts.env,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      // In its own session: signals to the process group of this process, as of Ctrl+C, do not reach it.
      detached: true,
    }).spawn();
    // Whoever ends does not wait for it.
    child.unref();
    const running: RunningProcess = { stdin: child.stdin.getWriter(), waiting: new Map() };
    running.stdin.closed.catch(() => {});
    void this.#follow(child, running);
    return running;
  }

  async #follow({ stdout, status }: Deno.ChildProcess, running: RunningProcess): Promise<void> {
    let why = "";
    try {
      for await (const line of linesOf(stdout)) {
        const { number, renewal }: NumberedRenewal = JSON.parse(line);
        running.waiting.get(number)?.resolve(renewal);
      }
    } catch (thrown) {
      why = `: ${messageOf(thrown)}`;
    }
    if (this.#running === running) this.#running = undefined;
    await running.stdin.close().catch(() => {});
    const { code } = await status;
    const ended = new ExaiError("INTERNAL", `the process that renews tokens ended with code ${code}${why}`);
    for (const { reject } of running.waiting.values()) reject(ended);
  }

  #endSoon(running: RunningProcess): void {
    this.#idle = setTimeout(() => this.#leave(running), IDLE_MS);
    Deno.unrefTimer(this.#idle);
  }

  /** The process ends what it has begun, and then itself. */
  #leave(running: RunningProcess): void {
    if (this.#running === running) this.#running = undefined;
    running.stdin.close().catch(() => {});
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#idle);
    if (this.#running) this.#leave(this.#running);
  }
}

interface RunningProcess {
  stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  waiting: Map<number, PromiseWithResolvers<Renewal>>;
}

function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncIterable<string> {
  return createInterface({ input: Readable.fromWeb(stream as never) });
}
