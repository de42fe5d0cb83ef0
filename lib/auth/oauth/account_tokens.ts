import { resolvedWithin } from "../../base/abort.ts";
import { monotonicNow } from "../../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import type { OAuthConfig } from "../../config/server_config.ts";
import type { AccountId, CredentialStore, KeptCredentials } from "../credential_store.ts";
import { digestOfTokens, lifetimeOf, type Renew, type Renewal } from "./renew.ts";

/** A token is renewed in the background once this part of its time is over, or a little earlier. */
const RENEW_AT = 0.8;
const JITTER = 0.1;
/** A shorter time than it takes to renew is of no use: the token is renewed when it is refused. */
const MIN_LEAD_MS = SECOND_MS;
/** A token that is refused this soon after it was given will not be accepted when it is renewed once more. */
const FRESH_MS = 5 * SECOND_MS;
const FIRST_PAUSE_MS = SECOND_MS;
/** An authorization server that is back is to be noticed soon; many windows ask it no more often than one. */
const MAX_PAUSE_MS = 10 * SECOND_MS;
/** How long the first requests wait for what is on disk: its key may be in a keychain that waits for a password. */
const LOAD_WAIT_MS = 2 * SECOND_MS;
/** What could not be read is not read anew for each request that may need no token. */
const LOAD_PAUSE_MS = 2 * MINUTE_MS;
/** How long a token that is refused is left alone, before the server is asked whether it still refuses it. */
const REFUSED_PAUSE_MS = MINUTE_MS;

interface AccountTokensParts {
  id: AccountId;
  store: CredentialStore;
  renew: Renew;
}

/** The tokens of one account as this process knows them. What is on disk is what counts. */
export class AccountTokens {
  /** What was on disk last; undefined: nothing, or not read yet. */
  kept: KeptCredentials | undefined;
  /** Whether what was on disk is known. */
  isRead = false;
  readonly #parts: AccountTokensParts;
  #first: Promise<unknown> | undefined;
  /** When {@linkcode load} reads once more, as it could not the last time. */
  #loadAgainAtMs = Infinity;
  #reading: Promise<void> | undefined;
  #renewing: Promise<Renewal> | undefined;
  #renewAtMs = Infinity;
  /** The token that the server refuses, whatever is done. */
  #refused: { token: string; askAtMs: number } | undefined;
  #given: { token: string | undefined; by: "login" | "renewal"; atMs: number } | undefined;
  #pauseMs = 0;
  /** What the last attempt came to, which the next before that time would come to as well. */
  #failed: { renewal: Renewal; untilMs: number } | undefined;

  constructor(parts: AccountTokensParts) {
    this.#parts = parts;
  }

  /** The access token to send. */
  get current(): string | undefined {
    const token = this.kept?.tokens?.access_token;
    return token === this.#refused?.token ? undefined : token;
  }

  get canRefresh(): boolean {
    return this.kept?.tokens?.refresh_token !== undefined;
  }

  /** Whether the token is worth nothing by the clock. */
  get isExpired(): boolean {
    return (this.kept?.expiresAtMs ?? Infinity) <= Date.now();
  }

  /** Whether it is time to renew the token while it is still worth something. */
  get isDue(): boolean {
    return Date.now() >= this.#renewAtMs;
  }

  /** When the tokens were got, in monotonic milliseconds; undefined: not by this process. */
  get givenAtMs(): number | undefined {
    return this.#given?.atMs;
  }

  /** Whether `token` was given moments ago, so that another that is got in the same way would fare no better. */
  isFresh(token: string, by: "login" | "renewal"): boolean {
    const given = this.#given;
    if (given?.token !== token || given.by !== by) return false;
    const { tokens, expiresAtMs } = this.kept ?? {};
    const lifetimeMs = lifetimeOf(tokens?.expires_in);
    if (lifetimeMs === undefined || expiresAtMs === undefined) return monotonicNow() - given.atMs < FRESH_MS;
    // Another process may have renewed it a while ago, and servers count in whole seconds.
    const ageMs = Date.now() - (expiresAtMs - lifetimeMs);
    // The clock may have been set back.
    return Math.abs(ageMs) < Math.min(FRESH_MS, (lifetimeMs - SECOND_MS) / 2);
  }

  /** The server refuses `token`, also when it is renewed. */
  refuse(token: string): void {
    this.#refused = { token, askAtMs: monotonicNow() + REFUSED_PAUSE_MS };
  }

  /** A token that was refused a while ago, maybe by mistake; undefined: none, or it was given for this moments ago. */
  takeRefused(): string | undefined {
    const refused = this.#refused;
    if (!refused || refused.token !== this.kept?.tokens?.access_token) return undefined;
    if (monotonicNow() < refused.askAtMs) return undefined;
    this.refuse(refused.token);
    return refused.token;
  }

  /** The server does not refuse the token any more. */
  accept(): void {
    this.#refused = undefined;
  }

  /**
   * Reads what is on disk, until that has succeeded. It never throws, and is waited for a moment only: a server that wants
   * a token says so, and {@linkcode reload} then waits for it and says what is wrong.
   */
  async load(): Promise<void> {
    if (monotonicNow() >= this.#loadAgainAtMs) this.#first = undefined;
    await (this.#first ??= this.#load());
  }

  #load(): Promise<unknown> {
    this.#loadAgainAtMs = Infinity;
    const reading = this.reload().catch(() => {
      this.#loadAgainAtMs = monotonicNow() + LOAD_PAUSE_MS;
    });
    return resolvedWithin(reading, LOAD_WAIT_MS);
  }

  /** Reads what is on disk now; concurrent calls share one read. */
  reload(): Promise<void> {
    const { store, id } = this.#parts;
    return this.#reading ??= store.read(id)
      .then((kept) => {
        this.#loadAgainAtMs = Infinity;
        this.#take(kept, undefined);
      })
      .finally(() => this.#reading = undefined);
  }

  /**
   * Changes what is on disk: {@linkcode CredentialStore.change}.
   *
   * @param by `login`: somebody has signed in with that
   */
  async change(
    change: (before: KeptCredentials | undefined) => Promise<KeptCredentials | undefined>,
    by?: "login",
  ): Promise<void> {
    const { store, id } = this.#parts;
    this.#take(await store.change(id, change), by);
  }

  /**
   * Renews the tokens; whoever needs that meanwhile waits for the same renewal, and after one that failed for now for the
   * next that is due.
   */
  renew(oauth: OAuthConfig | undefined, how: Renew = this.#parts.renew): Promise<Renewal> {
    if (this.#failed && monotonicNow() < this.#failed.untilMs) return Promise.resolve(this.#failed.renewal);
    return this.#renewing ??= this.#renew(oauth, how).finally(() => this.#renewing = undefined);
  }

  async #renew(oauth: OAuthConfig | undefined, how: Renew): Promise<Renewal> {
    const { store, id } = this.#parts;
    const seen = await digestOfTokens(this.kept);
    const renewal = await how({ id, oauth, seen });
    this.#take(await store.read(id), renewal.is === "renewed" ? "renewal" : undefined);
    if (renewal.is === "renewed") {
      this.#pauseMs = 0;
      this.#failed = undefined;
    } else {
      this.#pauseMs = Math.min(MAX_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs));
      this.#failed = { renewal, untilMs: monotonicNow() + this.#pauseMs };
    }
    return renewal;
  }

  /** @param by how these tokens have just been got; undefined: they were there, or somebody else has got them */
  #take(kept: KeptCredentials | undefined, by: "login" | "renewal" | undefined): void {
    const before = this.kept;
    const { tokens, expiresAtMs } = kept ?? {};
    this.kept = kept;
    this.isRead = true;
    const isNew = before?.tokens?.access_token !== tokens?.access_token;
    // A server may give the token again that it gave before.
    if (isNew || by) this.#given = by && { token: tokens?.access_token, by, atMs: monotonicNow() };
    if (by === "login") this.accept();
    if (isNew) this.#failed = undefined;
    // Servers hand out a token that they have made before, with the time that it has now.
    if (!isNew && before?.expiresAtMs === expiresAtMs) return;
    const lifetimeMs = (tokens?.expires_in ?? 0) * SECOND_MS;
    const leadMs = lifetimeMs * (1 - RENEW_AT + Math.random() * JITTER);
    const canWait = expiresAtMs !== undefined && leadMs >= MIN_LEAD_MS / 2;
    this.#renewAtMs = canWait ? expiresAtMs - leadMs : Infinity;
  }
}
