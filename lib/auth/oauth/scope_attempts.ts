/** Logins with a wider scope that did not help after which no other is asked for (MCP basic/authorization, step-up). */
const MAX_IN_VAIN = 2;
const MAX_KEPT = 100;

/** Counts the logins whose tokens were refused for want of a scope that they had asked for. */
export class ScopeAttempts {
  readonly #refused = new Map<string, Set<string>>();

  /**
   * Notes that a token was refused for want of `scope`, which had been asked for.
   *
   * @param login tells the login that it is from; a token that is renewed is from the same one
   * @return whether another login may help
   */
  mayHelp(scope: string, login: string): boolean {
    const logins = this.#refused.get(scope) ?? new Set();
    logins.add(login);
    this.#refused.delete(scope);
    this.#refused.set(scope, logins);
    for (const [old] of Array.from(this.#refused).slice(0, -MAX_KEPT)) this.#refused.delete(old);
    return logins.size < MAX_IN_VAIN;
  }

  /** Somebody has signed out: whoever signs in next may be another person, with other rights. */
  clear(): void {
    this.#refused.clear();
  }
}
