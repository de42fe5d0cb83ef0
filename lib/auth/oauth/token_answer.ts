import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import { KIB } from "../../base/units.ts";
import { type AuthFetch, AuthServerError } from "./auth_fetch.ts";

/** The longest token: one of more could not be sent in a header to most servers. */
const MAX_TOKEN_CHARS = 16 * KIB;

/**
 * `fetch` whose answers with tokens have only what a token answer may have (RFC 6749, 5.1). A refresh token that was
 * given in exchange for another is the only one that is worth something: an answer is not to be refused for a member that
 * is null, or a time that is no number; only for a token of more than 16 KiB, which could not be kept or sent.
 *
 * @throws {AuthServerError} with such a token
 */
export function fetchOfTokens(fetch: AuthFetch): AuthFetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !/\bjson\b/i.test(type)) return response;
    const text = await response.text();
    return new Response(plainAnswer(text), { status: response.status, headers: { "content-type": type } });
  };
}

function plainAnswer(text: string): string {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return text;
  }
  if (!isObject(answer) || typeof answer.access_token !== "string") return text;
  const { access_token, token_type = "Bearer", expires_in: lifetime, ...rest } = answer;
  const plain: JsonObject = { access_token, token_type };
  const seconds = Number(lifetime);
  if (lifetime !== null && seconds > 0 && Number.isFinite(seconds)) plain.expires_in = seconds;
  for (const name of ["refresh_token", "scope", "id_token"]) {
    const value: Json | undefined = rest[name];
    if (typeof value === "string" && value !== "") plain[name] = value;
  }
  // Without one it is the scope that was asked for; who has signed in is only shown.
  for (const name of ["scope", "id_token"]) if (isLarge(plain[name])) delete plain[name];
  if (isLarge(access_token) || isLarge(plain.refresh_token)) {
    throw new AuthServerError("its authorization server gave a token of more than 16 KiB");
  }
  return JSON.stringify(plain);
}

function isLarge(value: Json | undefined): boolean {
  return typeof value === "string" && value.length > MAX_TOKEN_CHARS;
}
