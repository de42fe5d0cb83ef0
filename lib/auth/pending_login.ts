import { ExaiError } from "../base/errors.ts";
import { isLoopbackName } from "../base/ip_address.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { AccountId } from "./credential_store.ts";

/** What a person does to sign in. */
export type LoginPrompt =
  /** Opens a page on this machine, whose answer comes back to it. */
  | { kind: "browser"; url: string }
  /** Opens a page on any device and types the code in (RFC 8628); `completeUrl` holds the code already. */
  | { kind: "device"; url: string; code: string; completeUrl?: string };

/** How long a person may take to sign in. */
export const LOGIN_MS = 10 * MINUTE_MS;

interface PendingLoginOptions {
  account: AccountId;
  server: string;
  prompt: LoginPrompt;
  timeoutMs: number;
  /** Takes an answer that was pasted; undefined when it is not that of this login. */
  take?(params: URLSearchParams): Promise<unknown> | undefined;
}

/** A login that somebody has begun, until it has worked, failed or taken too long. */
export class PendingLogin {
  readonly id = crypto.randomUUID();
  readonly account: AccountId;
  /** The server's name, for people. */
  readonly server: string;
  readonly prompt: LoginPrompt;
  readonly expiresAt: Date;
  /** Who has signed in, once it is done, where the authorization server says it. */
  person: string | undefined;
  readonly #take: PendingLoginOptions["take"];
  readonly #done = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setTimeout>;
  #isAnswered = false;

  constructor({ account, server, prompt, timeoutMs, take }: PendingLoginOptions) {
    this.account = account;
    this.server = server;
    this.prompt = prompt;
    this.#take = take;
    this.expiresAt = new Date(Date.now() + timeoutMs);
    const late = `nobody has signed in within ${waitOf(timeoutMs)}; begin again`;
    this.#timer = setTimeout(() => this.fail(new ExaiError("TIMEOUT", late)), timeoutMs);
    // Nobody need be waiting when it ends.
    this.#done.promise.catch(() => {});
  }

  /** Resolves when somebody has signed in; rejects with an {@linkcode ExaiError} that says why nobody has. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /**
   * Ends it with an answer that a person has pasted.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when that belongs to another login; why nobody is signed in
   */
  async finish(params: URLSearchParams): Promise<void> {
    const taken = this.#take?.(params);
    if (taken) return void await taken;
    const why =
      "this answer belongs to another sign-in, or was used before; paste the address that the page of this " +
      "one ended at";
    throw new ExaiError("INVALID_PARAMS", why);
  }

  /** Whether its answer has come, which ends it whatever else is signed in to. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Its answer has come: the person has been in time, however long the rest takes. */
  answered(): void {
    this.#isAnswered = true;
    clearTimeout(this.#timer);
  }

  succeed(person?: string): void {
    this.person = person;
    clearTimeout(this.#timer);
    this.#done.resolve();
  }

  fail(thrown: unknown): void {
    clearTimeout(this.#timer);
    this.#done.reject(ExaiError.from(thrown));
  }
}

/**
 * `url` if it is a page that may be shown to a person and opened: an authorization server names it, and a browser or the
 * system would run other schemes.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE`
 */
export function checkedPage(url: string | URL): string {
  const parsed = URL.parse(url);
  const isLoopback = parsed?.protocol === "http:" && isLoopbackName(parsed.hostname);
  if (parsed && (parsed.protocol === "https:" || isLoopback) && parsed.username === "") return parsed.href;
  throw new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    "the authorization server names a page to sign in at that is not https; it is not opened",
  );
}

const WHAT_TO_PASTE =
  "paste the whole address of the page that the browser ended at, also where it shows an error: it begins " +
  "with http://127.0.0.1 and holds code= and state=";

/**
 * The parameters of an answer that a person has copied from the address bar: the whole address, or its query.
 *
 * @throws {ExaiError} `INVALID_PARAMS` with what to paste instead
 */
export function pastedAnswer(text: string): URLSearchParams {
  const trimmed = text.trim().replace(/^["'<]|["'>]$/g, "");
  const [address = ""] = trimmed.split("#", 1);
  const params = new URLSearchParams(address.slice(address.indexOf("?") + 1));
  if (params.has("state") && (params.has("code") || params.has("error"))) return params;
  // It is not repeated: a part of it may be a code.
  throw new ExaiError("INVALID_PARAMS", `this is not the answer of a sign-in; ${WHAT_TO_PASTE}`);
}

function waitOf(ms: number): string {
  return ms < 2 * MINUTE_MS ? `${Math.ceil(ms / SECOND_MS)} s` : `${Math.round(ms / MINUTE_MS)} minutes`;
}
