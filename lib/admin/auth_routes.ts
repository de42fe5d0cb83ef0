import type { Revocation } from "../auth/accounts.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { pastedAnswer, type PendingLogin } from "../auth/pending_login.ts";
import type { Route } from "../edge/http_handler.ts";
import { allowMethod } from "./route_guards.ts";

/** How one account of a server stands, as `exai-daemon auth status` shows it. */
export interface AccountRow extends JsonObject {
  server: string;
  account: string;
  state: "signed_in" | "login_required" | "signed_out";
  /** The authorization server it is signed in with. */
  issuer?: string;
  scope?: string;
  /** When the access token ends, as an ISO time. */
  expires_at?: string;
  /** Whether the access token is renewed without a login. */
  is_renewed?: boolean;
  why?: string;
}

/** The server, and the account of it, that somebody means. */
export interface AccountTarget {
  server: string;
  /** Undefined: the one that its entry has. */
  account: string | undefined;
}

/** What the routes need of the accounts at servers. */
export interface AccountAdmin {
  /** Those of the server `server`, or of all. */
  accounts(server: string | undefined): Promise<AccountRow[]>;
  /**
   * Begins a login, or joins the pending one.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` for a server or account that there is not; what is wrong with it otherwise
   */
  begin(target: AccountTarget, kind: "browser" | "device"): Promise<PendingLogin>;
  /** The login with an id that was given out. */
  login(id: string): Promise<PendingLogin | undefined>;
  /** @throws {ExaiError} as `begin` */
  logout(target: AccountTarget): Promise<Revocation>;
}

/** A login that has begun, as the routes give it. */
export interface BegunLoginRow extends JsonObject {
  /** Its id. */
  login: string;
  server: string;
  account: string;
  kind: "browser" | "device";
  /** The page to open. */
  url: string;
  /** To be typed in there. */
  code?: string;
  /** The page with the code in it. */
  complete_url?: string;
  expires_at: string;
}

/** The routes about the accounts at servers. None of them gives away a token. */
export function authRoutes(accounts: AccountAdmin): [string, Route][] {
  return [
    [
      "/auth",
      allowMethod("GET", async (request) => {
        return Response.json({ accounts: await accounts.accounts(paramIn(request, "server")) });
      }),
    ],
    [
      "/auth/login",
      allowMethod("POST", async (request) => {
        const kind = paramIn(request, "device") === undefined ? "browser" : "device";
        return Response.json(rowOf(await ofServer(accounts.begin(targetIn(request), kind))));
      }),
    ],
    [
      "/auth/wait",
      allowMethod("GET", async (request) => {
        const login = await loginIn(request, accounts);
        await ofServer(login.done);
        return Response.json({ signed_in: true, person: login.person });
      }),
    ],
    [
      "/auth/finish",
      allowMethod("POST", async (request) => {
        const login = await loginIn(request, accounts);
        // Not in the query: it holds a code.
        await ofServer(login.finish(pastedAnswer(await request.text())));
        return Response.json({ signed_in: true });
      }),
    ],
    [
      "/auth/logout",
      allowMethod("POST", async (request) => {
        const result = await ofServer(accounts.logout(targetIn(request)));
        return Response.json({ revocation: result.is, ...("why" in result ? { why: result.why } : {}) });
      }),
    ],
  ];
}

/** Errors that are about the daemon, the request, or the server. */
const KEPT: readonly string[] = ["INVALID_PARAMS", "RESOURCE_NOT_FOUND", "SHUTTING_DOWN"];

/** What else fails is the fault of the server or of the person, and not the daemon's: it is up, and has answered. */
function ofServer<T>(work: Promise<T>): Promise<T> {
  return work.catch((thrown) => {
    const { code, message } = ExaiError.from(thrown);
    throw KEPT.includes(code) ? thrown : new ExaiError("UPSTREAM_UNAVAILABLE", message, { cause: thrown });
  });
}

function rowOf({ id, server, account, prompt, expiresAt }: PendingLogin): BegunLoginRow {
  return {
    login: id,
    server,
    account: account.name,
    kind: prompt.kind,
    url: prompt.url,
    ...(prompt.kind === "device" ? { code: prompt.code, complete_url: prompt.completeUrl } : {}),
    expires_at: expiresAt.toISOString(),
  };
}

async function loginIn(request: Request, accounts: AccountAdmin): Promise<PendingLogin> {
  const login = await accounts.login(paramIn(request, "login") ?? "");
  if (login) return login;
  const why = "there is no such sign-in under way: it is long over, or another daemon began it; begin again";
  throw new ExaiError("RESOURCE_NOT_FOUND", why);
}

function targetIn(request: Request): AccountTarget {
  const server = paramIn(request, "server");
  if (server !== undefined) return { server, account: paramIn(request, "account") };
  throw new ExaiError("INVALID_PARAMS", "the name of a server is missing: ?server=NAME");
}

function paramIn(request: Request, name: string): string | undefined {
  return new URL(request.url).searchParams.get(name) || undefined;
}
