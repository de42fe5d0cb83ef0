/** Logins with a wider scope that did not help after which no other is asked for (MCP basic/authorization, step-up). */
const MAX_IN_VAIN = 2;
const MAX_KEPT = 100;

/** Counts the tokens that were refused for want of a scope that was asked for when they were given. */
export class ScopeAttempts {
  readonly #refused = new Map<string, Set<string>>();

  /**
   * Notes that `token` was refused for want of `scope`, which had been asked for.
   *
   * @return whether another login may help
   */
  mayHelp(scope: string, token: string): boolean {
    const tokens = this.#refused.get(scope) ?? new Set();
    tokens.add(token);
    this.#refused.delete(scope);
    this.#refused.set(scope, tokens);
    for (const [old] of Array.from(this.#refused).slice(0, -MAX_KEPT)) this.#refused.delete(old);
    return tokens.size < MAX_IN_VAIN;
  }

  /** Somebody has signed in by his own will: it may be another person now. */
  clear(): void {
    this.#refused.clear();
  }
}
