import type { AccountId } from "../credential_store.ts";

/** A login that was begun: the person opens the address, and the answer of the authorization server carries the state. */
interface BegunLogin {
  authorizationUrl: string | URL;
  state: string;
}

/** What signing in needs of an account. */
export interface LoginAccount {
  readonly id: AccountId;

  /**
   * The port on this machine that the account's client was registered with last; undefined: it was not yet, or any will
   * do. With another port it has to be registered once more.
   */
  registeredPort(): Promise<number | undefined>;

  /**
   * Begins a login whose answer goes to `redirectUrl`.
   *
   * @throws {ExaiError} what is wrong with the authorization server
   */
  beginLogin(options: { redirectUrl: string }): Promise<BegunLogin>;

  /**
   * Ends the login with the parameters of the answer, errors included: checks `iss` and redeems the code.
   *
   * @returns as whom, where the authorization server says it
   * @throws {ExaiError} why nobody is signed in
   */
  finishLogin(params: URLSearchParams): Promise<string | undefined>;
}
