import type { JsonObject } from "../../base/json.ts";

/** The header that the daemon takes the key from. */
const HEADER = "x-exai-page";

const STORED_AS = "exai-session";

/** For a browser that keeps nothing for the page: signed in until it is loaded again. */
let inMemory: string | undefined;

/**
 * Headers with the key of the page's session, if there is one. It is kept for this tab and this origin: another port of
 * the same host is another origin.
 */
export function sessionHeaders(): Record<string, string> {
  const key = inMemory ?? stored();
  return key === undefined ? {} : { [HEADER]: key };
}

/** Keeps the key in an answer of the daemon that has begun a session. */
export function keepSession({ page_session: key }: JsonObject): void {
  if (typeof key !== "string") return;
  inMemory = key;
  try {
    sessionStorage.setItem(STORED_AS, key);
  } catch {
    // The browser is set to keep nothing.
  }
}

function stored(): string | undefined {
  try {
    return sessionStorage.getItem(STORED_AS) ?? undefined;
  } catch {
    return undefined;
  }
}
