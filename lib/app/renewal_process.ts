import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { getLogger } from "@logtape/logtape";
import { type Renewal, type RenewRequest, renewTokens } from "../auth/accounts.ts";
import type { CredentialStore } from "../auth/credential_store.ts";
import { withDeadline } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { ownProgram, programFile } from "../client/daemon_program.ts";
import { isFile } from "../config/path_kind.ts";

const log = getLogger(["exai", "auth"]);

/** The words by which this program renews tokens for a daemon; it is no command for people. */
const WORDS: readonly string[] = ["auth", "refresh"];

/** As long as the lock of an account may take, and one request. */
const TIMEOUT_MS = 3 * MINUTE_MS;

/** How long the process waits for more to renew: to start it takes half a second, which is long for short-lived tokens. */
const IDLE_MS = 20 * SECOND_MS;

/** A line on standard input of the process, and the line that answers it. */
interface NumberedRequest extends RenewRequest {
  number: number;
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
  // The daemon has ended: what it asked for is done all the same.
  await Promise.all(running);
}

/** A service manager signals all processes of a daemon: what was begun is ended first, and then the input ends. */
function outliveSignals(): void {
  if (Deno.build.os === "windows") return;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
}

async function renewOne(store: CredentialStore, line: string, answer: (line: string) => void): Promise<void> {
  const { number, ...request }: NumberedRequest = JSON.parse(line);
  const renewal = await renewTokens(store, request).catch((thrown): Renewal => {
    return { is: "failed", why: messageOf(thrown) };
  });
  try {
    answer(JSON.stringify({ number, renewal } satisfies NumberedRenewal));
  } catch {
    // Nobody waits for it any more.
  }
}

/**
 * Renews tokens by a process that outlives this one: between the request that makes a refresh token worthless and the
 * writing of the next one, a daemon that is killed would lose the account. What to renew it is told on its standard input,
 * which no other user sees. Where it cannot be started, this process does it.
 */
export class RenewalProcess {
  readonly #store: CredentialStore;
  readonly #env: Record<string, string>;
  #running: RunningProcess | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #number = 0;

  /** @param env what the process needs to find the vault, beside the environment of this one */
  constructor(store: CredentialStore, env: Record<string, string>) {
    this.#store = store;
    this.#env = env;
  }

  async renew(request: RenewRequest): Promise<Renewal> {
    // As where a test or another program has the daemon in it.
    if (!await isFile(programFile())) return await renewTokens(this.#store, request);
    try {
      return await withDeadline(this.#ask(request), { timeoutMs: TIMEOUT_MS });
    } catch (thrown) {
      log.warning("{reason}; the daemon renews the tokens itself", { reason: messageOf(thrown) });
      return await renewTokens(this.#store, request);
    }
  }

  async #ask(request: RenewRequest): Promise<Renewal> {
    clearTimeout(this.#idle);
    const running = this.#running ??= this.#start();
    const number = ++this.#number;
    const waiting = Promise.withResolvers<Renewal>();
    running.waiting.set(number, waiting);
    const line = JSON.stringify({ number, ...request } satisfies NumberedRequest);
    // A process that has ended says so by the end of its output.
    running.stdin.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
    try {
      return await waiting.promise;
    } finally {
      running.waiting.delete(number);
      if (running.waiting.size === 0 && this.#running === running) this.#endSoon(running);
    }
  }

  #start(): RunningProcess {
    const { command, args } = ownProgram(WORDS);
    const child = new Deno.Command(command, {
      args,
      env: this.#env,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      // In its own session, so that signals to the process group of the daemon do not reach it.
      detached: true,
    }).spawn();
    // A daemon that stops does not wait for it.
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
    this.#idle = setTimeout(() => {
      if (this.#running === running) this.#running = undefined;
      running.stdin.close().catch(() => {});
    }, IDLE_MS);
    Deno.unrefTimer(this.#idle);
  }
}

interface RunningProcess {
  stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  waiting: Map<number, PromiseWithResolvers<Renewal>>;
}

function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncIterable<string> {
  return createInterface({ input: Readable.fromWeb(stream as never) });
}
