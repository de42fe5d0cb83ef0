import { visible } from "../../base/visible.ts";

/** Claims that name a person, the plainest first (OpenID Connect Core 5.1). */
const NAMES = ["email", "preferred_username", "name", "sub"];

const MAX_CHARS = 200;

/**
 * Whom an authorization server has signed in, as its `id_token` calls the person; undefined where there is none. It comes
 * from the token endpoint itself, whose connection stands for its signature (OpenID Connect Core 3.1.3.7), and is only
 * shown: nothing is decided by it.
 */
export async function signedInAs(
  { id_token: token }: { id_token?: string | undefined },
): Promise<string | undefined> {
  if (token === undefined) return undefined;
  const { decodeJwt } = await import("jose");
  try {
    const claims = decodeJwt(token);
    const named = NAMES.map((name) => claims[name]).find((value) =>
      typeof value === "string" && value !== ""
    );
    return named === undefined ? undefined : visible(String(named), MAX_CHARS);
  } catch {
    return undefined;
  }
}
