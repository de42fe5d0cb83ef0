import { includesScopes, scopeUnion, type TokenChallenge, withScopes } from "./challenge.ts";

interface LoginNeed {
  challenge: TokenChallenge;
  why: string;
  /** Whether a token was refused: only that tells what became of the login before. */
  isOfToken: boolean;
}

/** What an account needs somebody to sign in for: to do anything at all, or for a wider scope only. */
export class LoginNeeds {
  #login: LoginNeed | undefined;
  #scope: TokenChallenge | undefined;
  #ended: string | undefined;

  /** Why nothing can be done before somebody has signed in; undefined: no need is known. */
  get whyLogin(): string | undefined {
    return this.#login?.why;
  }

  /** What the next login is for; undefined: no need is known. */
  get challenge(): TokenChallenge | undefined {
    const scope = scopeUnion(this.#login?.challenge.scope, this.#scope?.scope);
    const challenge = this.#login?.challenge ?? this.#scope;
    return challenge && { ...challenge, scope };
  }

  /** The login was found to have ended before a request was made: the one without a token that follows knows no reason. */
  endLogin(why: string): void {
    this.#ended = why;
  }

  /**
   * @param isOfToken whether a token was refused; a request without one keeps the reason that a token gave
   * @return whether it was not known yet
   */
  addLogin(challenge: TokenChallenge, why: string, isOfToken: boolean): boolean {
    const known = this.#login;
    const before = known?.isOfToken ? known : this.#ended && { why: this.#ended, isOfToken: true };
    const reason = before && !isOfToken ? before : { why, isOfToken };
    this.#login = { challenge: withScopesOf(known?.challenge, challenge), ...reason };
    return known === undefined;
  }

  addScope(challenge: TokenChallenge): void {
    this.#scope = withScopesOf(this.#scope, challenge);
  }

  /**
   * There is a token that may be used. It may have been renewed: then it is good for what it was, and meets no wider scope.
   *
   * @return whether a need has come to its end
   */
  beUsable(): boolean {
    const wasNeeded = this.#login !== undefined;
    this.#login = this.#ended = undefined;
    return wasNeeded;
  }

  /** Somebody has signed in, with the scope `granted`. */
  beSignedIn(granted: string | undefined): void {
    this.#login = this.#ended = undefined;
    if (includesScopes(granted, this.#scope?.scope)) this.#scope = undefined;
  }

  /** The next login asks for no more than the server does then. */
  forgetScope(): void {
    this.#scope = undefined;
  }

  clear(): void {
    this.#login = this.#ended = undefined;
    this.#scope = undefined;
  }
}

/** `challenge`, which asks for what `before` did as well (MCP basic/authorization, step-up). */
function withScopesOf(before: TokenChallenge | undefined, challenge: TokenChallenge): TokenChallenge {
  return { ...challenge, scope: withScopes(before?.scope, challenge.scope) };
}
