import { assertEquals } from "@std/assert";
import {
  Client,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { type PersonOptions, visit } from "./person.ts";

/** Where the tests of the rig itself are sent back to; nothing listens there. */
const REDIRECT_URL = "http://127.0.0.1:9/callback";

interface SdkLoginOptions {
  clientMetadataUrl?: string;
  /** Of a client that was registered beforehand. */
  client?: StoredOAuthClientInformation;
  scope?: string;
}

/** What the SDK's own client signs in with, kept in memory. */
class SdkLogin implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT_URL;
  readonly clientMetadataUrl?: string;
  /** Where the person was sent, the last one last. */
  readonly sentTo: URL[] = [];
  readonly states: string[] = [];
  client: StoredOAuthClientInformation | undefined;
  kept: StoredOAuthTokens | undefined;
  readonly #scope?: string;
  #verifier = "";
  #discovery: OAuthDiscoveryState | undefined;

  constructor({ clientMetadataUrl, client, scope }: SdkLoginOptions = {}) {
    this.clientMetadataUrl = clientMetadataUrl;
    this.client = client;
    this.#scope = scope;
  }

  get clientMetadata(): OAuthClientMetadata {
    return {
      client_name: "sdk",
      redirect_uris: [REDIRECT_URL],
      token_endpoint_auth_method: "none",
      scope: this.#scope,
    };
  }

  state(): string {
    const state = crypto.randomUUID();
    this.states.push(state);
    return state;
  }

  clientInformation = () => this.client;
  saveClientInformation = (client: StoredOAuthClientInformation) => void (this.client = client);
  tokens = () => this.kept;
  saveTokens = (tokens: StoredOAuthTokens) => void (this.kept = tokens);
  redirectToAuthorization = (url: URL) => void this.sentTo.push(url);
  saveCodeVerifier = (verifier: string) => void (this.#verifier = verifier);
  codeVerifier = () => this.#verifier;
  saveDiscoveryState = (state: OAuthDiscoveryState) => void (this.#discovery = state);
  discoveryState = () => this.#discovery;
}

/** The SDK's own client, with a person who signs in where it is sent. */
export class SdkWindow implements AsyncDisposable {
  readonly login: SdkLogin;
  readonly #url: string;
  readonly #person: PersonOptions;
  readonly #mode: "legacy" | { pin: string };
  #client: Client | undefined;

  constructor(url: string, options: SdkLoginOptions & PersonOptions & { isModern?: boolean } = {}) {
    this.#url = url;
    this.#person = { account: options.account, refuses: options.refuses, stopsAt: REDIRECT_URL };
    this.#mode = options.isModern ? { pin: "2026-07-28" } : "legacy";
    this.login = new SdkLogin(options);
  }

  #transport(): StreamableHTTPClientTransport {
    return new StreamableHTTPClientTransport(new URL(this.#url), { authProvider: this.login });
  }

  /** Signs in the person who is sent away. */
  async #signIn(transport: StreamableHTTPClientTransport): Promise<void> {
    const { url } = await visit(this.login.sentTo.at(-1)!.href, this.#person);
    const params = new URL(url).searchParams;
    assertEquals(params.get("state"), this.login.states.at(-1));
    await transport.finishAuth(params);
  }

  async connect(): Promise<void> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const transport = this.#transport();
      this.#client = new Client({ name: "sdk", version: "1" }, { versionNegotiation: { mode: this.#mode } });
      try {
        return await this.#client.connect(transport);
      } catch (thrown) {
        if (!(thrown instanceof UnauthorizedError)) throw thrown;
        await this.#signIn(transport);
      }
    }
    throw new Error("signed in, and refused all the same");
  }

  async call(name: string): Promise<{ account: string; scopes: string[] }> {
    const call = () => this.#client!.callTool({ name, arguments: {} });
    const { content } = await call().catch(async (thrown) => {
      if (!(thrown instanceof UnauthorizedError)) throw thrown;
      await this.#signIn(this.#client!.transport as StreamableHTTPClientTransport);
      return await call();
    });
    return JSON.parse((content as { text: string }[])[0]!.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close();
  }
}
