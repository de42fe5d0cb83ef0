import { request, type RequestOutcome } from "./requests.ts";

/** What the address of `exai-daemon page` ends with. A fragment is sent to nobody: in no request, and in no Referer. */
const CODE_HASH = /^#code=([\w-]+)$/;

/** Where the daemon takes its token. */
const SESSION_PATH = "/page/session";
/** Where it takes a code, which is good once. */
const OPEN_PATH = "/page/open";

/** Begins a session with the token of the daemon, which is kept nowhere in the page. */
export function signIn(token: string): Promise<RequestOutcome> {
  return request("POST", SESSION_PATH, { body: token });
}

/** Whether the address has a code. */
export function hasCode(): boolean {
  return CODE_HASH.test(location.hash);
}

/** Begins a session with the code in the address, out of which it is taken first; why that has failed. */
export async function signInByAddress(): Promise<string | undefined> {
  const code = CODE_HASH.exec(location.hash)?.[1] ?? "";
  history.replaceState(null, "", location.pathname);
  const outcome = await request("POST", OPEN_PATH, { body: code });
  return outcome.is === "failed" ? outcome.why : undefined;
}
