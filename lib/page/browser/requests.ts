import type { JsonObject } from "../../base/json.ts";
import { keepSession, sessionHeaders } from "./session_key.ts";
import { describe, reasonOf } from "./watch_client.ts";

/** What the daemon did, or why it did not. */
export type RequestOutcome = { is: "done"; answer: JsonObject } | { is: "failed"; why: string };

let onSignedOut: (why: string) => unknown = () => {};

/** Has `listener` told when the daemon wants its token for what is asked by {@linkcode request}. */
export function whenSignedOut(listener: (why: string) => unknown): void {
  onSignedOut = listener;
}

/** Asks the daemon; a request that changes something is a `POST`. Never throws. */
export async function request(
  method: "GET" | "POST",
  path: string,
  { query = {}, body }: { query?: Readonly<Record<string, string>>; body?: string } = {},
): Promise<RequestOutcome> {
  const search = new URLSearchParams(query).toString();
  try {
    const response = await fetchSignedIn(search === "" ? path : `${path}?${search}`, { method, body });
    if (!response.ok) {
      const why = await reasonOf(response);
      if (response.status === 401) onSignedOut(why);
      return { is: "failed", why };
    }
    const text = await response.text();
    const answer = text === "" ? {} : JSON.parse(text) as JsonObject;
    keepSession(answer);
    return { is: "done", answer };
  } catch (thrown) {
    return { is: "failed", why: describe(thrown) };
  }
}

/** Does what a person has asked for; why it was not done, or not as a whole. */
export async function perform({ path, query }: PageAction): Promise<string | undefined> {
  const outcome = await request("POST", path, { query });
  if (outcome.is === "failed") return outcome.why;
  const { failed } = outcome.answer;
  return Array.isArray(failed) && failed.length > 0 ? failed.join("; ") : undefined;
}

/** `fetch` with the key of the page's session, and without cookies: those are of other programs at this host. */
export function fetchSignedIn(path: string, init: RequestInit): Promise<Response> {
  return fetch(path, { ...init, headers: sessionHeaders(), cache: "no-store", credentials: "omit" });
}

/** What a person does to the daemon. */
export interface PageAction {
  /** What its button says, as "Restart files". */
  title: string;
  /** What is lost by it; asked before it is done. */
  loses?: string;
  path: string;
  query: Readonly<Record<string, string>>;
  /** What is said when it is done. */
  done: string;
}

export function restartServer(name: string, key?: string): PageAction {
  return {
    title: `Restart ${name}`,
    loses: "Calls that run end first, if they end soon. What its process holds in memory is lost.",
    path: "/servers/restart",
    query: serverQuery(name, key),
    done: `${name} is started again.`,
  };
}

export function parkServer(name: string, key?: string): PageAction {
  return {
    title: `Park ${name}`,
    loses: "Its process ends once it is idle, with what it holds in memory. The next call starts it again.",
    path: "/servers/park",
    query: serverQuery(name, key),
    done: `${name} ends once it is idle.`,
  };
}

export function stopServer(name: string, key?: string): PageAction {
  return {
    title: `Stop ${name}`,
    loses: "Its process ends now: calls that run fail, and what it holds in memory is lost.",
    path: "/servers/stop",
    query: serverQuery(name, key),
    done: `${name} has been stopped.`,
  };
}

function serverQuery(name: string, key: string | undefined): Record<string, string> {
  return key === undefined ? { name } : { name, key };
}

export function cancelCall(id: string, tool: string): PageAction {
  return {
    title: `Cancel ${tool}`,
    loses: "The call ends without a result. What its server has done by now is not undone.",
    path: "/cancel",
    query: { id },
    done: `The call ${id} is cancelled.`,
  };
}

export function endSession(id: string, label: string): PageAction {
  return {
    title: `End the session of ${label}`,
    loses: "Its calls are cancelled and its own servers end. A shim opens a new session.",
    path: "/kill",
    query: { what: "session", id },
    done: `The session of ${label} has ended.`,
  };
}

export const ROTATE_TOKEN: PageAction = {
  title: "Rotate the token",
  loses:
    "The token of now ends after a time of grace. Clients that were given it by hand need the new one, " +
    "and other browsers that show this page sign in again.",
  path: "/token/rotate",
  query: {},
  done: "The token is a new one.",
};

export const RELOAD: PageAction = {
  title: "Read the configuration again",
  path: "/reload",
  query: {},
  done: "The configuration has been read again.",
};
