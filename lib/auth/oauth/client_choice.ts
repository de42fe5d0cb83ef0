// @ts-types="@modelcontextprotocol/client"
import type { OAuthClientMetadata, StoredOAuthClientInformation } from "@modelcontextprotocol/client";
import { KIB } from "../../base/units.ts";
import type { OAuthConfig } from "../../config/server_config.ts";
import type { KeptCredentials } from "../credential_store.ts";
import { loadSdk } from "./auth_faults.ts";
import { type AuthFetch, AuthServerError } from "./auth_fetch.ts";
import { type Discovered, isSameIssuer } from "./discovery.ts";

interface ClientChoice {
  server: Discovered;
  oauth: OAuthConfig | undefined;
  /** Where a document that describes EXAI is published; undefined: nowhere. */
  metadataUrl: string | undefined;
  kept: KeptCredentials | undefined;
  /** Undefined: the login needs none, as of a device. */
  redirectUrl: string | undefined;
  scope: string | undefined;
  fetch: AuthFetch;
}

/**
 * As what EXAI presents itself to an authorization server (MCP basic/authorization, client-registration): as a client
 * that was registered beforehand, by a metadata document, by an earlier registration there, by a new one.
 *
 * @throws {AuthServerError} it has to be registered by the user, or was with another server
 */
export async function chooseClient(request: ClientChoice): Promise<StoredOAuthClientInformation> {
  const { server, oauth, metadataUrl, kept, redirectUrl } = request;
  const { issuer } = server;
  if (oauth?.clientId !== undefined) {
    return preregistered(server, { ...oauth, clientId: oauth.clientId }, kept);
  }
  const document = oauth?.clientMetadataUrl ?? metadataUrl;
  if (
    document !== undefined && server.state.authorizationServerMetadata.client_id_metadata_document_supported
  ) {
    return { client_id: document, issuer };
  }
  const registered = kept?.clients[issuer];
  if (registered && isFit(registered, redirectUrl)) return registered;
  return { ...await register(request), issuer };
}

/**
 * The client that the configuration names. Its secret or key is for one authorization server: the one that the configuration
 * names too, else the first that it was used with, whatever the MCP server says later.
 *
 * @throws {AuthServerError} `issuer` is another one
 */
export function preregistered(
  { issuer }: Discovered,
  { clientId, clientSecret, issuer: named }: Partial<OAuthConfig> & { clientId: string },
  kept: KeptCredentials | undefined,
): StoredOAuthClientInformation {
  const isOfClient = ([, client]: [string, StoredOAuthClientInformation]) => client.client_id === clientId;
  const issuers = Object.entries(kept?.clients ?? {}).filter(isOfClient).map(([from]) => from);
  if (named === undefined && issuers.length > 0 && !issuers.some((one) => isSameIssuer(one, issuer))) {
    throw new AuthServerError(
      `the client id in mcp.json is that of ${
        issuers.join(", ")
      }, and the server is signed in to with ${issuer} ` +
        `now: if it is registered there too, write "issuer": "${issuer}" beside it`,
    );
  }
  return { client_id: clientId, client_secret: clientSecret, issuer };
}

/** What is kept of a registration. */
interface Registration {
  client_id: string;
  client_secret?: string;
  client_secret_expires_at?: number;
  token_endpoint_auth_method?: string;
  redirect_uris?: readonly string[];
  grant_types?: readonly string[];
}

function isFit(client: Registration, redirectUrl: string | undefined): boolean {
  const { client_secret_expires_at: expiresAt, redirect_uris: uris, grant_types: grants } = client;
  if (expiresAt !== undefined && expiresAt > 0 && expiresAt * 1000 < Date.now()) return false;
  // Servers hold a client to its grants, and many compare the port too, against RFC 8252, 7.3.
  if (redirectUrl === undefined) return grants?.includes(DEVICE_GRANT) === true;
  return uris?.includes(redirectUrl) === true;
}

/** The port of the redirect address that a client of `kept` is registered with; undefined: there is none on this machine. */
export function registeredPort(kept: KeptCredentials | undefined): number | undefined {
  const addresses = Object.values(kept?.clients ?? {}).flatMap(({ redirect_uris: uris = [] }: Registration) =>
    uris
  );
  const port = addresses.map((address) => URL.parse(address)?.port).findLast((port) => port);
  return port === undefined ? undefined : Number(port);
}

async function register({ server, redirectUrl, scope, fetch }: ClientChoice): Promise<Registration> {
  const sdk = await loadSdk();
  const { issuer, state } = server;
  const metadata = state.authorizationServerMetadata;
  if (metadata.registration_endpoint === undefined) {
    throw new AuthServerError(
      `${issuer} takes only clients that it knows: register one there, and write ` +
        '"oauth": {"clientId": "..."} in the server\'s entry in mcp.json',
    );
  }
  const isOfDevice = redirectUrl === undefined;
  const clientMetadata: OAuthClientMetadata = sdk.resolveClientMetadata({
    redirectUrl,
    clientMetadata: {
      client_name: "EXAI",
      redirect_uris: isOfDevice ? [] : [redirectUrl],
      grant_types: [isOfDevice ? DEVICE_GRANT : "authorization_code", "refresh_token"],
      response_types: isOfDevice ? [] : ["code"],
      application_type: "native",
      ...authMethod(metadata.token_endpoint_auth_methods_supported),
    },
  });
  const registered = await sdk.registerClient(state.authorizationServerUrl, {
    metadata,
    clientMetadata,
    scope,
    fetchFn: fetch,
  });
  return keptOf(registered, clientMetadata);
}

/** What is kept of a registration that was `asked` for: all of it is written with each token that is renewed. */
function keptOf(registered: Registration, asked: OAuthClientMetadata): Registration {
  const { client_id, client_secret, client_secret_expires_at, token_endpoint_auth_method } = registered;
  // What an answer leaves out is as it was asked for.
  const { redirect_uris = asked.redirect_uris, grant_types = asked.grant_types } = registered;
  const kept = {
    client_id,
    client_secret,
    client_secret_expires_at,
    token_endpoint_auth_method,
    redirect_uris: redirect_uris?.filter((one) => asked.redirect_uris?.includes(one)),
    grant_types: grant_types?.filter((one) => asked.grant_types?.includes(one)),
  };
  if (JSON.stringify(kept).length <= MAX_CLIENT_CHARS) return kept;
  throw new AuthServerError("its authorization server registers EXAI with more than 16 KiB");
}

const MAX_CLIENT_CHARS = 16 * KIB;

/** The grant of a device without a browser (RFC 8628, 3.4). */
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

/** A program on the user's machine keeps no secret of its own, and has one where a server insists. */
function authMethod(supported: readonly string[] | undefined): { token_endpoint_auth_method?: string } {
  if (supported === undefined) return {};
  const known = ["none", "client_secret_basic", "client_secret_post"].find((one) => supported.includes(one));
  return known === undefined ? {} : { token_endpoint_auth_method: known };
}
