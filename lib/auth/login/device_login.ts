import { delay } from "@std/async/delay";
import type * as OAuth from "oauth4webapi";
import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { ownEntry } from "../../base/json.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { AccountId } from "../credential_store.ts";
import { AuthServerError } from "../oauth/auth_fetch.ts";
import { fetchOfCodes } from "../oauth/token_answer.ts";
import { checkedPage, LOGIN_MS, type LoginPrompt } from "../pending_login.ts";

/** How long to wait between two questions where the server does not say (RFC 8628 section 3.5). */
const INTERVAL_S = 5;

/** Added to that each time the server asks for it. */
const SLOW_DOWN_S = 5;

/** What a device login needs of a client of an authorization server. */
interface DeviceClient {
  server: OAuth.AuthorizationServer;
  client: OAuth.Client;
  clientAuth: OAuth.ClientAuth;
  /** Sent as `resource` (RFC 8707). */
  resource: string;
  scope?: string;
  /** Makes the requests; the answers are bounded and redirects are not followed. */
  fetch: typeof fetch;
  /** Keeps the tokens: on disk when it resolves. */
  keep(tokens: OAuth.TokenEndpointResponse): Promise<void>;
}

/** An account that can be signed in to from another device. */
export interface DeviceAccount {
  readonly id: AccountId;

  /** @throws {ExaiError} what is wrong with the authorization server */
  deviceClient(): Promise<DeviceClient>;
}

/** A device login that has begun. */
interface BegunDeviceLogin {
  prompt: LoginPrompt;
  expiresInMs: number;
  /** Asks until somebody has signed in, and keeps the tokens; rejects with why nobody has, or when the signal aborts. */
  poll(signal: AbortSignal): Promise<void>;
}

/**
 * Begins a device login (RFC 8628).
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` where the authorization server does not offer it, or refuses
 */
export async function pollDevice(of: DeviceClient): Promise<BegunDeviceLogin> {
  const { server, client, clientAuth, resource, scope } = of;
  if (server.device_authorization_endpoint === undefined) {
    const why = `${server.issuer} does not offer to sign in from another device; sign in with --paste`;
    throw new ExaiError("UPSTREAM_UNAVAILABLE", why);
  }
  const oauth = await import("oauth4webapi");
  const params = { resource, ...(scope === undefined ? {} : { scope }) };
  const fetch = fetchOfCodes((url, init) => of.fetch(url, init), LOGIN_MS / SECOND_MS);
  const options = optionsOf(oauth, { ...of, fetch: fetch as typeof of.fetch });
  const begun = await oauth.deviceAuthorizationRequest(server, client, clientAuth, params, options)
    .then((response) => oauth.processDeviceAuthorizationResponse(server, client, response))
    .catch((thrown) => Promise.reject(refusalOf(server, thrown)));
  const { verification_uri: url, verification_uri_complete: complete, user_code: code } = begun;
  return {
    prompt: {
      kind: "device",
      url: checkedPage(url),
      code,
      ...(complete === undefined ? {} : { completeUrl: checkedPage(complete) }),
    },
    expiresInMs: begun.expires_in * SECOND_MS,
    poll: (signal) => untilGranted(of, begun, { oauth, signal }),
  };
}

async function untilGranted(
  of: DeviceClient,
  { device_code: code, interval = INTERVAL_S }: OAuth.DeviceAuthorizationResponse,
  { oauth, signal }: { oauth: typeof OAuth; signal: AbortSignal },
): Promise<void> {
  const { server, client, clientAuth, resource } = of;
  const options = { ...optionsOf(oauth, of), additionalParameters: { resource } };
  for (let waitS = interval;;) {
    await delay(waitS * SECOND_MS, { signal }).catch(() => Promise.reject(abortError(signal)));
    try {
      const response = await oauth.deviceCodeGrantRequest(server, client, clientAuth, code, options);
      if (isBusy(response)) await response.body?.cancel();
      else return await of.keep(await oauth.processDeviceCodeResponse(server, client, response));
    } catch (thrown) {
      const error = errorIn(thrown);
      if (error === "slow_down") waitS += SLOW_DOWN_S;
      // A connection that fails counts as not answered yet (RFC 8628 section 3.5).
      else if (error !== "authorization_pending" && !isUnreachable(thrown)) throw refusalOf(server, thrown);
    }
  }
}

/** The `error` of a response of the authorization server, if that is what was thrown. */
function errorIn(thrown: unknown): string | undefined {
  const { code, error } = thrown instanceof Error ? thrown as { code?: unknown; error?: unknown } : {};
  return code === "OAUTH_RESPONSE_BODY_ERROR" && typeof error === "string" ? error : undefined;
}

/** Whether it is for now that it does not answer: the person may be typing the code in meanwhile. */
function isBusy({ status }: Response): boolean {
  return status >= 500 || status === 429;
}

/** Whether the connection has failed, and not what was said on it. */
function isUnreachable(thrown: unknown): boolean {
  const { cause } = thrown instanceof Error ? thrown : {};
  const error = cause instanceof AuthServerError ? cause : thrown;
  return error instanceof TypeError || error instanceof AuthServerError && error.cause !== undefined;
}

function optionsOf(oauth: typeof OAuth, { server, fetch }: DeviceClient) {
  // https is checked where the metadata is read; a server on loopback has none.
  const isPlain = server.issuer.startsWith("http:");
  return { [oauth.customFetch]: fetch, [oauth.allowInsecureRequests]: isPlain };
}

/** What people are told of each end of a device login (RFC 8628 section 3.5). */
const ENDS: Readonly<Record<string, string>> = {
  access_denied: "it was declined",
  expired_token: "the code has expired; begin again",
};

function refusalOf({ issuer }: OAuth.AuthorizationServer, thrown: unknown): ExaiError {
  if (thrown instanceof ExaiError) return thrown;
  const error = errorIn(thrown);
  const why = error === undefined
    ? whatWasSaid(thrown)
    : ownEntry(ENDS, error) ?? `it was refused (${error})`;
  return new ExaiError("UPSTREAM_UNAVAILABLE", `${issuer}: ${why}`, { cause: thrown });
}

/** The library says what an answer is not, and has the answer: what that is helps more. */
function whatWasSaid(thrown: unknown): string {
  const { cause } = thrown instanceof Error ? thrown : {};
  const status = cause instanceof Response ? ` (HTTP ${cause.status})` : "";
  return messageOf(thrown) + status;
}
