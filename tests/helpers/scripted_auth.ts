import type { JsonObject } from "../../lib/base/json.ts";

interface AuthScript {
  /** Merged into the metadata of the authorization server; null takes a member out. */
  metadata?: Record<string, unknown>;
  resourceMetadata?: Record<string, unknown> | null;
  /** Of access tokens; undefined: not told. */
  lifetimeS?: number;
  /** Whether a refresh token is given, and another each time. */
  rotates?: boolean;
  /** In the redirect; null: left out. */
  iss?: string | null;
  /** What the token endpoint does in place of an answer. */
  token?(params: URLSearchParams, request: Request): Response | undefined | Promise<Response | undefined>;
  /** What the resource answers whether there is a token or not. */
  open?(request: Request): Promise<Response | undefined>;
  /** What the resource does in place of an answer, where the token is good. */
  resource?(request: Request, token: { scope: string }): Response | Promise<Response> | undefined;
  register?(body: JsonObject): Response | undefined;
  revoke?(): Response;
  /** The scope in the challenge. */
  challenge?: string;
}

interface Grant {
  clientId: string;
  scope: string;
  challenge: string;
  redirectUrl: string;
  resource: string | null;
}

/**
 * A resource and its authorization server in one process, on two origins, that do what their script says. A person is
 * whoever fetches the authorization URL: it signs in at once.
 */
export class ScriptedAuth implements AsyncDisposable {
  script: AuthScript;
  /** `METHOD path` of each request, with the grant of token requests. */
  readonly asked: string[] = [];
  readonly tokenRequests: URLSearchParams[] = [];
  readonly authorizations: URLSearchParams[] = [];
  readonly registrations: JsonObject[] = [];
  readonly revoked: (string | null)[] = [];
  readonly #codes = new Map<string, Grant>();
  readonly access = new Map<string, { scope: string; untilMs: number }>();
  /** Good refresh tokens, and their scopes. */
  readonly refresh = new Map<string, string>();
  /** Refresh tokens that were used a second time, as only a client that races itself does. */
  readonly replayed: string[] = [];
  readonly #used = new Set<string>();
  readonly #auth: Deno.HttpServer<Deno.NetAddr>;
  readonly #resource: Deno.HttpServer<Deno.NetAddr>;
  #made = 0;

  constructor(script: AuthScript = {}) {
    this.script = script;
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#auth = Deno.serve(options, (request) => this.#authorizationServer(request));
    this.#resource = Deno.serve(options, (request) => this.#resourceServer(request));
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#auth.addr.port}`;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#resource.addr.port}/mcp`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#auth.shutdown(), this.#resource.shutdown()]);
  }

  /** Every token is worth nothing any more; the login is, or not. */
  expire({ refresh = false } = {}): void {
    this.access.clear();
    if (refresh) this.refresh.clear();
  }

  async #resourceServer(request: Request): Promise<Response> {
    const { pathname, origin } = new URL(request.url);
    this.asked.push(`${request.method} ${pathname}`);
    if (pathname.startsWith("/.well-known/oauth-protected-resource")) {
      const { resourceMetadata = {} } = this.script;
      if (resourceMetadata === null) return new Response("no", { status: 404 });
      return Response.json({ resource: this.url, authorization_servers: [this.issuer], ...resourceMetadata });
    }
    if (pathname !== "/mcp") return new Response("no", { status: 404 });
    const open = await this.script.open?.(request.clone());
    if (open) {
      await request.body?.cancel();
      return open;
    }
    const sent = request.headers.get("authorization")?.replace(/^Bearer /, "");
    const token = sent === undefined ? undefined : this.access.get(sent);
    if (!token || token.untilMs < Date.now()) {
      await request.body?.cancel();
      const scope = this.script.challenge === undefined ? "" : `, scope="${this.script.challenge}"`;
      const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
      const challenge = `Bearer resource_metadata="${metadata}"${scope}`;
      return new Response("sign in", { status: 401, headers: { "www-authenticate": challenge } });
    }
    return await this.script.resource?.(request, token) ?? Response.json({ scope: token.scope });
  }

  async #authorizationServer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/.well-known/oauth-authorization-server":
        this.asked.push("GET metadata");
        return Response.json(this.#metadata());
      case "/authorize":
        return this.#authorize(searchParams);
      case "/register":
        return this.#register(await request.json());
      case "/token":
        return await this.#token(request);
      case "/revoke":
        this.revoked.push(new URLSearchParams(await request.text()).get("token"));
        return this.script.revoke?.() ?? new Response();
      default:
        return new Response("no", { status: 404 });
    }
  }

  #metadata(): JsonObject {
    const { issuer } = this;
    const all = {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      revocation_endpoint: `${issuer}/revoke`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      token_endpoint_auth_methods_supported: ["none"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
      ...this.script.metadata,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) as JsonObject;
  }

  #register(body: JsonObject): Response {
    this.registrations.push(body);
    const answer = this.script.register?.(body);
    if (answer) return answer;
    const client_id = `client-${this.registrations.length}`;
    return Response.json({ ...body, client_id }, { status: 201 });
  }

  #authorize(params: URLSearchParams): Response {
    this.authorizations.push(params);
    const code = `code-${++this.#made}`;
    this.#codes.set(code, {
      clientId: params.get("client_id") ?? "",
      scope: params.get("scope") ?? "",
      challenge: params.get("code_challenge") ?? "",
      redirectUrl: params.get("redirect_uri") ?? "",
      resource: params.get("resource"),
    });
    const to = new URL(params.get("redirect_uri")!);
    to.searchParams.set("code", code);
    to.searchParams.set("state", params.get("state") ?? "");
    const { iss = this.issuer } = this.script;
    if (iss !== null) to.searchParams.set("iss", iss);
    return new Response(null, { status: 302, headers: { location: to.href } });
  }

  async #token(request: Request): Promise<Response> {
    const params = new URLSearchParams(await request.clone().text());
    this.tokenRequests.push(params);
    const scripted = await this.script.token?.(params, request);
    if (scripted) return scripted;
    const grant = params.get("grant_type");
    if (grant === "refresh_token") return this.#refresh(params.get("refresh_token") ?? "");
    if (grant === "client_credentials") return this.#give(params.get("scope") ?? "", false);
    const found = this.#codes.get(params.get("code") ?? "");
    this.#codes.delete(params.get("code") ?? "");
    const isGood = found !== undefined && found.redirectUrl === params.get("redirect_uri") &&
      found.resource === params.get("resource") &&
      found.challenge === await challengeOf(params.get("code_verifier") ?? "");
    return isGood ? this.#give(found.scope, true) : refuse("invalid_grant");
  }

  #refresh(token: string): Response {
    const scope = this.refresh.get(token);
    if (this.#used.has(token)) this.replayed.push(token);
    if (scope === undefined) return refuse("invalid_grant");
    if (this.script.rotates) {
      this.#used.add(token);
      this.refresh.delete(token);
    }
    return this.#give(scope, this.script.rotates === true);
  }

  #give(scope: string, isRefreshed: boolean): Response {
    const { lifetimeS, rotates } = this.script;
    const access_token = `access-${++this.#made}`;
    this.access.set(access_token, { scope, untilMs: Date.now() + (lifetimeS ?? 3600) * 1000 });
    const refresh_token = isRefreshed && rotates !== undefined ? `refresh-${this.#made}` : undefined;
    if (refresh_token !== undefined) this.refresh.set(refresh_token, scope);
    return Response.json({ access_token, refresh_token, token_type: "Bearer", expires_in: lifetimeS, scope });
  }
}

/** A refusal of a token endpoint (RFC 6749, 5.2). */
export function refuse(error: string, description?: string): Response {
  return Response.json({ error, error_description: description }, { status: 400 });
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** What a person does: opens the address, signs in, and is sent back; the answer is that of the authorization server. */
export async function signIn(authorizationUrl: URL): Promise<URLSearchParams> {
  const response = await fetch(authorizationUrl, { redirect: "manual" });
  await response.body?.cancel();
  return new URL(response.headers.get("location")!).searchParams;
}
