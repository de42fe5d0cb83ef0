import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from "@modelcontextprotocol/client";

/** Where the tests of the rig itself are sent back to; nothing listens there. */
export const REDIRECT_URL = "http://127.0.0.1:9/callback";

export interface SdkLoginOptions {
  clientMetadataUrl?: string;
  /** Of a client that was registered beforehand. */
  client?: StoredOAuthClientInformation;
  scope?: string;
}

/** What the SDK's own client signs in with, kept in memory. */
export class SdkLogin implements OAuthClientProvider {
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
