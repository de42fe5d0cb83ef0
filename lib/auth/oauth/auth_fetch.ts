import { beginningOf, boundedBody } from "../../base/http_response.ts";
import { isLoopbackName } from "../../base/ip_address.ts";
import { KIB, MIB, MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import { postClient, sentOnce } from "../../remote/post_client.ts";

export type AuthFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** How long one request to an authorization server may take. */
const REQUEST_MS = 20 * SECOND_MS;
/**
 * How long one for tokens may take. What it sends may be worth nothing once it was sent, and its answer the only thing that
 * is: whoever hangs up loses the login, so those who wait for it hang up before this does.
 */
export const TOKEN_REQUEST_MS = 2 * MINUTE_MS;
/** Metadata, keys and tokens are small; more is not read. */
const MAX_BODY_BYTES = MIB;
const MAX_ERROR_BYTES = 8 * KIB;

/** The authorization server cannot be used as it is, or as what it says would have it. */
export class AuthServerError extends Error {}

/**
 * Throws unless credentials of `resource` may be sent to `url`: over TLS, or within this machine (MCP basic/authorization,
 * communication security). A server elsewhere cannot send requests to this machine.
 *
 * @throws {AuthServerError} it names what is insecure
 */
export function assertSecure(url: URL, resource: URL): void {
  if (url.protocol === "https:") return;
  if (url.protocol === "http:" && [url, resource].every(({ hostname }) => isLoopbackName(hostname))) return;
  const where = url.protocol === "http:" ? url.host : url.protocol;
  throw new AuthServerError(`${where} is not reached over https, and nothing secret is sent in the clear`);
}

/**
 * A `fetch` for all that is said to authorization servers of `resource`: over TLS, bounded in time and size. A request
 * with a body is sent once, as what it asks for may have been done, and its redirect is not followed (RFC 9700, 4.12).
 */
export function authFetch(resource: string | URL, signal?: AbortSignal): AuthFetch {
  const about = new URL(resource);
  return async (input, init = {}) => {
    const url = new URL(input);
    assertSecure(url, about);
    const limitMs = isForTokens(init) ? TOKEN_REQUEST_MS : REQUEST_MS;
    const limits = [AbortSignal.timeout(limitMs), ...[signal ?? []].flat(), ...[init.signal ?? []].flat()];
    const response = await fetch(url, { ...asSentOnce(url, init), signal: AbortSignal.any(limits) })
      .catch((thrown) => {
        throw new AuthServerError(`${url.host} ${whyNot(thrown, limitMs)}`, { cause: thrown });
      });
    if (init.method === "POST" && response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new AuthServerError(
        `${url.host} answered with a redirect to another address, which is not followed`,
      );
    }
    if (!response.ok) return beginningOf(response, MAX_ERROR_BYTES);
    return boundedBody(response, {
      maxBytes: MAX_BODY_BYTES,
      tooLarge: () => new AuthServerError(`${url.host} sent an answer of more than 1 MiB`),
    });
  };
}

function isForTokens({ body }: RequestInit): boolean {
  return body instanceof URLSearchParams && body.has("grant_type");
}

function asSentOnce(url: URL, init: RequestInit): RequestInit & { client?: Deno.HttpClient } {
  const { body } = init;
  if (typeof body !== "string" && !(body instanceof URLSearchParams)) return init;
  const headers = new Headers(init.headers);
  if (!headers.has("content-type")) headers.set("content-type", "application/x-www-form-urlencoded");
  return { ...init, headers, body: sentOnce(String(body)), redirect: "manual", client: postClient(url) };
}

function whyNot(thrown: unknown, limitMs: number): string {
  if (thrown instanceof DOMException && thrown.name === "TimeoutError") {
    return `did not answer within ${limitMs / SECOND_MS} s`;
  }
  return "cannot be reached";
}
