import type { JsonObject } from "../../lib/base/json.ts";

/** A request that one of the hosts has got. */
export interface Received {
  host: "authorization" | "server" | "stranger";
  method: string;
  path: string;
  /** The whole of it as text, for a search: address, headers and body. */
  text: string;
}

type Answer = Response | Promise<Response>;

/** How it departs from what is right; what is left out it does as it should. Can be changed at any time. */
export interface Hostility {
  /** Answers a request for protected resource metadata (RFC 9728). */
  resource?(honest: JsonObject): Answer;
  /** Answers a request for the metadata of the authorization server (RFC 8414). */
  metadata?(honest: JsonObject): Answer;
  /** Answers a registration (RFC 7591). */
  register?(honest: JsonObject): Answer;
  /** What the browser brings back. */
  callback?(honest: URLSearchParams): URLSearchParams;
  /** Answers the token endpoint; undefined: as it should. */
  token?(asked: URLSearchParams, honest: () => Promise<JsonObject>): Answer | undefined;
  /** Answers a request to the server that came with `bearer`; undefined: as it should. */
  serve?(bearer: string | undefined, message: JsonObject): Response | undefined;
  /** The challenge of an answer 401. */
  challenge?(honest: string): string;
}

/** An authorization server that lies, the MCP server that sends people to it, and a host that nobody should talk to. */
export class HostileAuthorization implements AsyncDisposable {
  readonly received: Received[] = [];
  /** Tokens, codes, verifiers and secrets that it has given or got. */
  readonly secrets = new Set<string>();
  hostility: Hostility;
  /** Bearer tokens that the server takes now. */
  readonly accepted = new Set<string>();
  /** How long the tokens are said to live, s. */
  expiresIn = 3600;
  readonly #codes = new Map<string, { challenge: string; redirect: string }>();
  readonly #refreshTokens = new Set<string>();
  readonly #ending = new AbortController();
  readonly #hosts: Record<Received["host"], Deno.HttpServer<Deno.NetAddr>>;
  #count = 0;

  constructor(hostility: Hostility = {}) {
    this.hostility = hostility;
    const serve = (host: Received["host"], answer: (request: Request, body: string) => Answer) =>
      Deno.serve(
        { port: 0, hostname: "127.0.0.1", signal: this.#ending.signal, onListen: () => {} },
        async (request) => {
          const body = await request.text();
          const { pathname: path } = new URL(request.url);
          const headers = Array.from(request.headers, ([name, value]) => `${name}: ${value}`).join("\n");
          const text = `${request.method} ${request.url}\n${headers}\n\n${body}`;
          this.received.push({ host, method: request.method, path, text });
          return await answer(request, body);
        },
      );
    this.#hosts = {
      authorization: serve("authorization", (request, body) => this.#authorize(request, body)),
      server: serve("server", (request, body) => this.#serve(request, body)),
      stranger: serve(
        "stranger",
        () => Response.json({ access_token: "of-the-stranger", token_type: "bearer" }),
      ),
    };
  }

  origin(host: Received["host"]): string {
    return `http://127.0.0.1:${this.#hosts[host].addr.port}`;
  }

  get url(): string {
    return `${this.origin("server")}/mcp`;
  }

  /** How often `path` of the authorization server was asked. */
  count(path: string): number {
    return this.received.filter((request) => request.host === "authorization" && request.path === path)
      .length;
  }

  /** Secrets that the stranger was told, or the server where it is not its own token. */
  get leaked(): string[] {
    return this.received.flatMap(({ host, text }) =>
      host === "authorization"
        ? []
        : [...this.secrets].filter((secret) =>
          text.includes(secret) && (host === "stranger" || !secret.startsWith("access-"))
        ).map((secret) => `${secret} to the ${host}`)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await Promise.all(Object.values(this.#hosts).map(({ finished }) => finished));
  }

  #secret(kind: string): string {
    const secret = `${kind}-${++this.#count}-${crypto.randomUUID()}`;
    this.secrets.add(secret);
    return secret;
  }

  #metadata(): JsonObject {
    const issuer = this.origin("authorization");
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none"],
      authorization_response_iss_parameter_supported: true,
    };
  }

  #authorize(request: Request, body: string): Answer {
    const { pathname, searchParams } = new URL(request.url);
    const { metadata, register, token } = this.hostility;
    if (/^\/\.well-known\/(oauth-authorization-server|openid-configuration)$/.test(pathname)) {
      return metadata?.(this.#metadata()) ?? Response.json(this.#metadata());
    }
    if (pathname === "/register") {
      const client = { ...JSON.parse(body), client_id: this.#secret("client") };
      this.secrets.delete(client.client_id);
      return register?.(client) ?? Response.json(client, { status: 201 });
    }
    if (pathname === "/authorize") return this.#sendBack(searchParams);
    if (pathname !== "/token") return new Response(null, { status: 404 });
    const asked = new URLSearchParams(body);
    for (const name of ["code_verifier", "refresh_token", "code"]) {
      const secret = asked.get(name);
      if (secret) this.secrets.add(secret);
    }
    return token?.(asked, () => this.#tokens(asked)) ??
      this.#tokens(asked).then((tokens) => Response.json(tokens, { status: tokens.error ? 400 : 200 }));
  }

  #sendBack(asked: URLSearchParams): Response {
    const code = this.#secret("code");
    const redirect = asked.get("redirect_uri")!;
    this.#codes.set(code, { challenge: asked.get("code_challenge") ?? "", redirect });
    const honest = new URLSearchParams({
      code,
      state: asked.get("state") ?? "",
      iss: this.origin("authorization"),
    });
    const url = new URL(redirect);
    url.search = (this.hostility.callback?.(honest) ?? honest).toString();
    return new Response(null, { status: 302, headers: { location: url.href } });
  }

  /** The answer of a token endpoint that does as it should. */
  async #tokens(asked: URLSearchParams): Promise<JsonObject> {
    const isRefresh = asked.get("grant_type") === "refresh_token";
    const code = this.#codes.get(asked.get("code") ?? "");
    const digest = await crypto.subtle.digest(
      "SHA-256",
      new TextEncoder().encode(asked.get("code_verifier") ?? ""),
    );
    const challenge = new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
    const isGood = isRefresh
      ? this.#refreshTokens.delete(asked.get("refresh_token") ?? "")
      : code?.challenge === challenge && code.redirect === asked.get("redirect_uri");
    if (!isGood) return { error: "invalid_grant" };
    this.#codes.delete(asked.get("code") ?? "");
    const access_token = this.#secret("access");
    const refresh_token = this.#secret("refresh");
    this.accepted.add(access_token);
    this.#refreshTokens.add(refresh_token);
    return { access_token, refresh_token, token_type: "bearer", expires_in: this.expiresIn };
  }

  #serve(request: Request, body: string): Answer {
    const { pathname } = new URL(request.url);
    const document = `${this.origin("server")}/.well-known/oauth-protected-resource/mcp`;
    if (pathname === "/.well-known/oauth-protected-resource/mcp") {
      const honest = { resource: this.url, authorization_servers: [this.origin("authorization")] };
      return this.hostility.resource?.(honest) ?? Response.json(honest);
    }
    if (pathname !== "/mcp") return new Response(null, { status: 404 });
    const bearer = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    const message = body === "" ? {} : JSON.parse(body) as JsonObject;
    const scripted = this.hostility.serve?.(bearer, message);
    if (scripted) return scripted;
    if (bearer === undefined || !this.accepted.has(bearer)) {
      const honest = `Bearer error="invalid_token", resource_metadata="${document}"`;
      const challenge = this.hostility.challenge?.(honest) ?? honest;
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    }
    if (request.method !== "POST") return new Response(null, { status: 405 });
    return message.id === undefined ? new Response(null, { status: 202 }) : Response.json(answerTo(message));
  }
}

/** What an MCP server of revision 2025-11-25 with one tool, `ping`, answers. */
function answerTo({ id, method }: JsonObject): JsonObject {
  const results: Record<string, JsonObject> = {
    initialize: {
      protocolVersion: "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "hostile", version: "1" },
    },
    "tools/list": { tools: [{ name: "ping", inputSchema: { type: "object" } }] },
    "tools/call": { content: [{ type: "text", text: "pong" }] },
    ping: {},
  };
  const result = results[String(method)];
  if (result) return { jsonrpc: "2.0", id: id!, result };
  return { jsonrpc: "2.0", id: id!, error: { code: -32601, message: "unknown method" } };
}
