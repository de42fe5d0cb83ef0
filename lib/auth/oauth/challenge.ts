// @ts-types="@modelcontextprotocol/client"
import type { StoredOAuthTokens } from "@modelcontextprotocol/client";
import { loadSdk } from "./auth_faults.ts";

/** What a server says with a refusal (RFC 6750, 3; RFC 9728, 5.1). */
export interface TokenChallenge {
  resourceMetadataUrl?: URL;
  scope?: string;
}

export async function readChallenge(header: string | null): Promise<TokenChallenge> {
  if (header === null) return {};
  const { extractWWWAuthenticateParams } = await loadSdk();
  // Of several challenges in one header, that which speaks of tokens.
  const [ours] = /\b(?:bearer|dpop) .*/is.exec(header) ?? [header];
  const headers = new Headers({ "www-authenticate": ours });
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(new Response(null, { headers }));
  return { resourceMetadataUrl, scope };
}

/** The access token in the headers of a request. */
export function bearerIn(sent: Readonly<Record<string, string>>): string | undefined {
  return /^Bearer (.+)$/.exec(sent.authorization ?? "")?.[1];
}

/** The scopes of a text, each once. */
export function scopesOf(text: string | undefined): Set<string> {
  return new Set((text ?? "").split(" ").filter((scope) => scope !== ""));
}

/** Whether `wider` has each scope of `scope`. */
export function includesScopes(wider: string | undefined, scope: string | undefined): boolean {
  return scopesOf(scope).isSubsetOf(scopesOf(wider));
}

/** All scopes of `texts`, in the order they are first named; undefined: none (MCP basic/authorization, step-up). */
export function scopeUnion(...texts: (string | undefined)[]): string | undefined {
  const all = texts.flatMap((text) => Array.from(scopesOf(text)));
  return all.length === 0 ? undefined : Array.from(new Set(all)).join(" ");
}

/** More than any server has scopes for. */
const MAX_SCOPE_LENGTH = 4000;

/**
 * The scopes of `before` and `now`, as {@linkcode scopeUnion}; of `now` alone where those are too many: a server that names
 * others each time does not have all of them asked for, and kept.
 */
export function withScopes(before: string | undefined, now: string | undefined): string | undefined {
  return [scopeUnion(before, now), scopeUnion(now)].find((it) => (it?.length ?? 0) <= MAX_SCOPE_LENGTH);
}

/** A token that could not be sent as a header is none; other types than Bearer are not asked for. */
export function isUsable({ access_token: token, token_type: type }: StoredOAuthTokens): boolean {
  return /^[\x21-\x7e]+$/.test(token) && type.toLowerCase() === "bearer";
}
