import { includesScopes, scopeUnion, type TokenChallenge, withScopes } from "./challenge.ts";

interface LoginNeed {
  challenge: TokenChallenge;
  why: string;
}

interface ScopeNeed {
  challenge: TokenChallenge;
  /** Whether the token that did not suffice was said to be good for that scope. */
  wasGranted: boolean;
}

/** What an account needs somebody to sign in for: to do anything at all, or for a wider scope only. */
export class LoginNeeds {
  #login: LoginNeed | undefined;
  #scope: ScopeNeed | undefined;

  /** Why nothing can be done before somebody has signed in; undefined: no need is known. */
  get whyLogin(): string | undefined {
    return this.#login?.why;
  }

  /** What the next login is for; undefined: no need is known. */
  get challenge(): TokenChallenge | undefined {
    const scope = scopeUnion(this.#login?.challenge.scope, this.#scope?.challenge.scope);
    const challenge = this.#login?.challenge ?? this.#scope?.challenge;
    return challenge && { ...challenge, scope };
  }

  /** @return whether it was not known yet */
  addLogin(challenge: TokenChallenge, why: string): boolean {
    const isNew = this.#login === undefined;
    this.#login = { challenge: withScopesOf(this.#login?.challenge, challenge), why };
    return isNew;
  }

  /** @param granted the scope of the token that did not suffice */
  addScope(challenge: TokenChallenge, granted: string | undefined): void {
    const wasGranted = includesScopes(granted, challenge.scope);
    this.#scope = { challenge: withScopesOf(this.#scope?.challenge, challenge), wasGranted };
  }

  /**
   * Takes note of another token, which was renewed or comes from a login of another process.
   *
   * @param granted its scope
   * @return whether a need has come to its end
   */
  meet(granted: string | undefined): boolean {
    const wasLogin = this.#login !== undefined;
    this.#login = undefined;
    const scope = this.#scope;
    // A token that is renewed is good for what it was: that ends no login with a wider scope.
    const isWider = scope && !scope.wasGranted && includesScopes(granted, scope.challenge.scope);
    if (isWider) this.#scope = undefined;
    return wasLogin || isWider === true;
  }

  /** The next login asks for no more than the server does then. */
  forgetScope(): void {
    this.#scope = undefined;
  }

  /** Somebody has signed in for all of it. */
  clear(): void {
    this.#login = undefined;
    this.#scope = undefined;
  }
}

/** `challenge`, which asks for what `before` did as well (MCP basic/authorization, step-up). */
function withScopesOf(before: TokenChallenge | undefined, challenge: TokenChallenge): TokenChallenge {
  return { ...challenge, scope: withScopes(before?.scope, challenge.scope) };
}
