import { visible } from "../../base/visible.ts";

/** Claims that name a person, the plainest first (OpenID Connect Core 5.1). */
const NAMES = ["email", "preferred_username", "name", "sub"];

const MAX_CHARS = 200;

interface TokensOfPerson {
  id_token?: string | undefined;
}

/** Whom an authorization server has signed in, as its `id_token` calls the person; undefined where there is none. */
export async function signedInAs(tokens: TokensOfPerson): Promise<string | undefined> {
  const claims = await claimsOf(tokens);
  const named = NAMES.map((name) => claims[name]).find((value) => typeof value === "string" && value !== "");
  return named === undefined ? undefined : visible(String(named), MAX_CHARS);
}

/** Tells the person that `issuer` has signed in from any other, without naming it; undefined where it does not say whom. */
export async function subjectOf(tokens: TokensOfPerson, issuer: string): Promise<string | undefined> {
  const { sub } = await claimsOf(tokens);
  if (typeof sub !== "string" || sub === "") return undefined;
  const bytes = new TextEncoder().encode(JSON.stringify([issuer, sub]));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * What an `id_token` says. It comes from the token endpoint itself, whose connection stands for its signature (OpenID
 * Connect Core 3.1.3.7), and gives nobody a right: it is shown, and compared with that of the login before.
 */
async function claimsOf({ id_token: token }: TokensOfPerson): Promise<Record<string, unknown>> {
  if (token === undefined) return {};
  const { decodeJwt } = await import("jose");
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}
