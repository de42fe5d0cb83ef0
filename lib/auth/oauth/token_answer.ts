import { isObject, type Json, type JsonObject, parseJson } from "../../base/json.ts";
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
  return rewriting(fetch, plainTokens);
}

/**
 * `fetch` whose answers with the code of a device (RFC 8628, 3.2) are not refused for a time that is no number: some
 * servers write it as text, or 0. It is left out then; a code that does not say how long it lives does so for
 * `lifetimeS` seconds.
 */
export function fetchOfCodes(fetch: AuthFetch, lifetimeS: number): AuthFetch {
  return rewriting(fetch, (answer) => {
    if (typeof answer.device_code !== "string") return answer;
    const { expires_in, interval, ...rest } = answer;
    const [lifetime = lifetimeS, pause] = [expires_in, interval].map(secondsIn);
    return { ...rest, expires_in: lifetime, ...(pause === undefined ? {} : { interval: pause }) };
  });
}

/** `fetch` whose answers that are a JSON object are what `rewrite` makes of it. */
function rewriting(fetch: AuthFetch, rewrite: (answer: JsonObject) => JsonObject): AuthFetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !/\bjson\b/i.test(type)) return response;
    const text = await response.text();
    const answer = parseJson(text);
    const body = isObject(answer) ? JSON.stringify(rewrite(answer)) : text;
    return new Response(body, { status: response.status, headers: { "content-type": type } });
  };
}

/** A time in seconds; undefined where it is none that can be waited for. */
function secondsIn(value: Json | undefined): number | undefined {
  const seconds = value === null ? NaN : Number(value);
  return seconds > 0 && Number.isFinite(seconds) ? seconds : undefined;
}

function plainTokens(answer: JsonObject): JsonObject {
  if (typeof answer.access_token !== "string") return answer;
  const { access_token, token_type = "Bearer", expires_in, ...rest } = answer;
  const plain: JsonObject = { access_token, token_type };
  const lifetime = secondsIn(expires_in);
  if (lifetime !== undefined) plain.expires_in = lifetime;
  for (const name of ["refresh_token", "scope", "id_token"]) {
    const value: Json | undefined = rest[name];
    if (typeof value === "string" && value !== "") plain[name] = value;
  }
  // Without one it is the scope that was asked for; who has signed in is only shown.
  for (const name of ["scope", "id_token"]) if (isLarge(plain[name])) delete plain[name];
  if (isLarge(access_token) || isLarge(plain.refresh_token)) {
    throw new AuthServerError("its authorization server gave a token of more than 16 KiB");
  }
  return plain;
}

function isLarge(value: Json | undefined): boolean {
  return typeof value === "string" && value.length > MAX_TOKEN_CHARS;
}
