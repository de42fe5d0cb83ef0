import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import type { AuthFetch } from "./auth_fetch.ts";

/**
 * `fetch` whose answers with tokens have only what a token answer may have (RFC 6749, 5.1). A refresh token that was
 * given in exchange for another is the only one that is worth something: an answer is not to be refused for a member that
 * is null, or a time that is no number.
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
  return JSON.stringify(plain);
}
