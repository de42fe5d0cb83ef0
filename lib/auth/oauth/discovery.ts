// @ts-types="@modelcontextprotocol/client"
import type { AuthorizationServerMetadata, OAuthDiscoveryState } from "@modelcontextprotocol/client";
import { createHash } from "node:crypto";
import { quoteName } from "../../base/text.ts";
import { KIB } from "../../base/units.ts";
import { assertSecure, type AuthFetch, AuthServerError } from "./auth_fetch.ts";
import { loadSdk } from "./auth_faults.ts";
import type { TokenChallenge } from "./challenge.ts";

/** The authorization server of a resource, as both of them publish it. */
export interface Discovered {
  /** Its `issuer`, which is that of its validated metadata. */
  issuer: string;
  /** Sent as `resource` with each request (RFC 8707). */
  resource: string;
  /** What the resource asks for where nothing else says. */
  scopesSupported: readonly string[] | undefined;
  state: OAuthDiscoveryState & Required<Pick<OAuthDiscoveryState, "authorizationServerMetadata">>;
}

interface DiscoveryRequest {
  /** The URL of the MCP server. */
  url: URL;
  challenge: TokenChallenge;
  /** The issuer that the configuration names. */
  issuer: string | undefined;
  fetch: AuthFetch;
}

/**
 * The URL of an MCP server as it is named to authorization servers (MCP basic/authorization, canonical server URI): without
 * its query, where many servers have a key that is for them alone.
 */
function canonicalResource(url: string | URL): string {
  const { origin, pathname } = new URL(url);
  return pathname === "/" ? origin : `${origin}${pathname}`;
}

/** {@linkcode AccountId.resource} of the MCP server at `url`: another query is another one, and is not shown. */
export function accountResource(url: string | URL): string {
  const { search, username, password } = new URL(url);
  const [resource, hidden] = [canonicalResource(url), [search, username, password].join("\n").trim()];
  if (hidden === "") return resource;
  return `${resource}?${createHash("sha256").update(hidden).digest("hex").slice(0, 16)}`;
}

/**
 * Finds the authorization server of an MCP server (MCP basic/authorization, authorization-server-discovery): by the
 * metadata of the resource, and for servers from before 2025-06-18 that have none at the root of their own origin.
 *
 * @return undefined: the server publishes nothing of the kind
 * @throws {AuthServerError} what is published cannot be used; the errors of the SDK for metadata of another issuer
 */
export async function discover(
  { url, challenge, issuer, fetch }: DiscoveryRequest,
): Promise<Discovered | undefined> {
  const sdk = await loadSdk();
  assertSecure(url, url);
  const resourceMetadata = await resourceMetadataOf({ url, challenge, fetch });
  const named = resourceMetadata?.authorization_servers ?? [];
  const server = issuerAmong(named, issuer) ?? String(new URL("/", url));
  if (!/^https?:$/.test(URL.parse(server)?.protocol ?? "")) {
    throw new AuthServerError(
      `its metadata names ${quoteName(server)} as its authorization server, which is no https URL`,
    );
  }
  const isPublished = named.length > 0 || issuer !== undefined;
  const metadata = await sdk.discoverAuthorizationServerMetadata(server, { fetchFn: fetch })
    .catch((thrown) => {
      // Servers that know no such address answer with a page of their own.
      if (isPublished || thrown instanceof AuthServerError) throw thrown;
      return undefined;
    });
  if (!metadata) {
    if (!isPublished) return undefined;
    throw new AuthServerError(`${server} publishes no metadata that could be used to sign in`);
  }
  const checked = await sdk.selectResourceURL(url, {} as never, resourceMetadata)
    .catch(() => {
      throw new AuthServerError(
        `its metadata is of another resource, ${resourceMetadata?.resource}: a token for that one would not be its own`,
      );
    });
  const resource = checked === undefined ? canonicalResource(url) : resourceMetadata!.resource;
  const scopesSupported = resourceMetadata?.scopes_supported;
  const authorizationServerMetadata = usedOf(metadata);
  const state = {
    authorizationServerUrl: server,
    authorizationServerMetadata,
    resourceMetadata: { resource },
  };
  if (JSON.stringify([state, scopesSupported]).length > MAX_USED_CHARS) {
    throw new AuthServerError(`${server} publishes more than 64 KiB of what is needed to sign in`);
  }
  return { issuer: metadata.issuer, resource, scopesSupported, state };
}

/** The most of what is published that is used, and so kept; servers publish some KiB. */
const MAX_USED_CHARS = 64 * KIB;

/** Metadata of an authorization server that something here, in the SDK or in `oauth4webapi` looks at. */
const USED: ReadonlySet<string> = new Set([
  "issuer",
  "authorization_endpoint",
  "token_endpoint",
  "registration_endpoint",
  "revocation_endpoint",
  "device_authorization_endpoint",
  "scopes_supported",
  "response_types_supported",
  "grant_types_supported",
  "token_endpoint_auth_methods_supported",
  "code_challenge_methods_supported",
  "client_id_metadata_document_supported",
  "authorization_response_iss_parameter_supported",
  "id_token_signing_alg_values_supported",
]);

/** What is used of `metadata`: all of it is in the vault, and written with each token that is renewed. */
function usedOf(metadata: AuthorizationServerMetadata): AuthorizationServerMetadata {
  const used = Object.entries(metadata).filter(([name]) => USED.has(name));
  return Object.fromEntries(used) as unknown as AuthorizationServerMetadata;
}

/** The issuer to use, of those that a resource names. */
function issuerAmong(named: readonly string[], wanted: string | undefined): string | undefined {
  if (wanted === undefined || named.length === 0) return wanted ?? named[0];
  const found = named.find((one) => isSameIssuer(one, wanted));
  if (found !== undefined) return found;
  throw new AuthServerError(
    `it is signed in to with ${named.join(", ")} now, and mcp.json has the client id of ${wanted}: ` +
      'change "issuer" and "clientId" there together',
  );
}

/** Whether two issuers are one: a slash at the end may be missing, as where a URL was made of one (RFC 8414, 3.3). */
export function isSameIssuer(a: string, b: string): boolean {
  return a === b || `${a}/` === b || a === `${b}/`;
}

/** @return undefined: it publishes none */
async function resourceMetadataOf({ url, challenge, fetch }: Omit<DiscoveryRequest, "issuer">) {
  const sdk = await loadSdk();
  const { resourceMetadataUrl } = challenge;
  let status = 0;
  const noting: AuthFetch = async (input, init) => {
    const response = await fetch(input, init);
    status = response.status;
    return response;
  };
  try {
    return await sdk.discoverOAuthProtectedResourceMetadata(url, { resourceMetadataUrl }, noting);
  } catch (thrown) {
    const isAbsent = status >= 400 && status < 500;
    // A page in place of a document: an address that was only guessed means nothing.
    const isGuessed = resourceMetadataUrl === undefined && status === 200;
    if (!(thrown instanceof AuthServerError) && (isAbsent || isGuessed)) return undefined;
    throw thrown;
  }
}

/**
 * Throws unless a code can be kept from others: the server has to say that it supports PKCE with S256 (MCP
 * basic/authorization, authorization code protection), or the user by naming it.
 */
export function assertPkce({ issuer, state }: Discovered, namedByUser: string | undefined): void {
  const methods = state.authorizationServerMetadata.code_challenge_methods_supported;
  if (methods?.includes("S256")) return;
  if (methods === undefined && namedByUser !== undefined && isSameIssuer(namedByUser, issuer)) return;
  throw new AuthServerError(
    `${issuer} does not say that it supports PKCE with S256, which protects a login; if its documentation says so, ` +
      `write "oauth": {"issuer": "${issuer}"} in the server's entry`,
  );
}
