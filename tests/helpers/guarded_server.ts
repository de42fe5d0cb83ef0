import { PendingLogin } from "../../lib/auth/pending_login.ts";
import { ExaiError } from "../../lib/base/errors.ts";
import { type JsonObject, textOf } from "../../lib/base/json.ts";
import type { Call } from "../../lib/call/call.ts";
import { LoginServer, type ServerLogins } from "../../lib/upstream/login_server.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { settled, type Window } from "./instance.ts";
import { type MountedOptions, mountedUpstreams, toolsResult } from "./mounted.ts";

/** Where a person signs in. */
export const PAGE = "https://login.example/authorize";

/** A server that refuses everybody until somebody has signed in. */
export function guarded(options: Partial<MountedOptions> & { account?: string } = {}) {
  const pending: PendingLogin[] = [];
  const state = {
    isSignedIn: false,
    isKnown: false,
    refusesStarts: true,
    failure: undefined as Error | undefined,
  };
  const required = () => {
    state.isKnown = true;
    return new ExaiError("LOGIN_REQUIRED", 'server "shared" needs a login', {
      details: { server: "shared" },
    });
  };
  const mount = mountedUpstreams({
    answer: ({ method, params }) =>
      method === "tools/list" ? toolsResult("probe", "b") : { result: { ran: params?.name ?? method } },
    onStart: () => {
      if (state.refusesStarts && !state.isSignedIn) throw required();
    },
    ...options,
  });
  const logins: ServerLogins = {
    get areNeeded() {
      return state.isKnown && !state.isSignedIn;
    },
    isNeededBy: () => Promise.resolve(!state.isSignedIn),
    isSignedIn: () => Promise.resolve(state.isSignedIn),
    accountOf: () => Promise.resolve(options.account),
    begin: () => {
      if (state.failure) return Promise.reject(state.failure);
      const login = pending.at(-1) ?? new PendingLogin({
        account: { resource: "https://mcp.example/", name: "default" },
        server: "shared",
        prompt: { kind: "browser", url: PAGE },
        timeoutMs: 60_000,
      });
      if (!pending.includes(login)) pending.push(login);
      return Promise.resolve(login);
    },
  };
  const server = new LoginServer(mount.mounted, logins);
  const signIn = () => {
    state.isSignedIn = true;
    mount.mounted.resetBackoff();
    for (const login of pending) login.succeed();
  };
  const signOut = () => {
    state.isSignedIn = false;
    state.isKnown = true;
    for (const slot of mount.mounted.slots) mount.mounted.end(slot);
    pending.length = 0;
  };
  return {
    server,
    signOut,
    mount,
    state,
    pending,
    signIn,
    async [Symbol.asyncDispose]() {
      for (const login of pending) login.fail(new Error("the test is over"));
      await mount[Symbol.asyncDispose]();
    },
  };
}

/** A call of a tool. */
export const calls = (window: Window, name = "probe", more: Partial<Call> = {}) =>
  window.call({ method: "tools/call", params: { name }, ...more });

export const textIn = ({ result }: Result) => textOf((result!.content as JsonObject[])[0]!.text)!;

/** What the person at a window was asked. */
export const asked = (window: Window) => window.asked.filter(({ method }) => method === "elicitation/create");

/** Until the client of `window` has been asked. */
export async function untilAsked(window: Window): Promise<void> {
  while (asked(window).length === 0) await settled();
}
