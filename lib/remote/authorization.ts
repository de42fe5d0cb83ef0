/** What a server said when it refused a request for want of authorization (MCP basic/authorization). */
export interface AuthorizationRefusal {
  /** 401: not signed in, or no longer. 403: signed in, but the scope does not suffice. */
  status: 401 | 403;
  /** The `WWW-Authenticate` header; null where there was none. */
  challenge: string | null;
  /** What {@linkcode ServerAuthorization.headersFor} gave for the request that was refused. */
  sent: Readonly<Record<string, string>>;
}

/**
 * Gives the requests to one server behind a URL, of one account, the right to be answered. One object serves all windows
 * of the account, so that what is renewed for one is renewed for all.
 */
export interface ServerAuthorization {
  /** Headers to send with a request, beside the configured ones; empty while nothing is known. */
  headersFor(request: { method: string; url: URL }): Promise<Readonly<Record<string, string>>>;

  /**
   * Takes notice of a refusal, and renews what it can. Resolves with whether the request should be sent once more, with new
   * headers; false: the refusal is no matter of authorization, or stands.
   *
   * @throws {ExaiError} `LOGIN_REQUIRED` when only the user can help; what is wrong with the authorization server otherwise.
   * The request has not run (`details.outcome` is `not_run`).
   */
  refused(refusal: AuthorizationRefusal, signal: AbortSignal): Promise<boolean>;
}
