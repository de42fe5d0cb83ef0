import type { KeptLogin } from "../credential_store.ts";

/** In whose name the requests of an account are, to notice when that is somebody else. */
export class AccountNames {
  /** That of the last request; undefined: there was none yet. */
  #used: { login: KeptLogin | undefined } | undefined;
  /** The last that was seen; undefined: nothing was read yet. */
  #seen: { login: KeptLogin | undefined } | undefined;

  /** A request is in the name of whoever made `login`; undefined: of nobody, or of a machine. */
  use(login: KeptLogin | undefined): void {
    this.#used = { login };
  }

  /** Whether requests by `login` may be those of another person than the last one, also where that was nobody's. Said once. */
  isAnother(login: KeptLogin | undefined): boolean {
    const used = this.#used;
    if (!used || login === undefined || login.id === used.login?.id) return false;
    this.#used = { login };
    return login.subject === undefined || login.subject !== used.login?.subject;
  }

  /** Whether `login` was made since the last one was seen. Said once. */
  isNewLogin(login: KeptLogin | undefined): boolean {
    const seen = this.#seen;
    this.#seen = { login };
    return seen !== undefined && login !== undefined && login.id !== seen.login?.id;
  }
}
