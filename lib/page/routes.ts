import { allowMethod, ownerOnly } from "../admin/route_guards.ts";
import { ExaiError } from "../base/errors.ts";
import { requestToken } from "../edge/guard.ts";
import type { Route } from "../edge/http_handler.ts";
import { PageSessions } from "../edge/page_sessions.ts";
import { PAGE_FILES, type PageFile } from "./files.ts";

/** Nothing is loaded from elsewhere, and no script but the page's own runs. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'self'",
].join("; ");

/** Longest token or code that is read, in bytes; anybody may send one. */
const MAX_TOKEN_BYTES = 4096;

/** Checks a token in constant time. */
interface TokenCheck {
  readonly required: boolean;
  readonly current: string;
  isCurrent(token: string): boolean;
}

/** The page, as the daemon serves it. */
interface ServedPage {
  /** The pages that are signed in. */
  pages: PageSessions;
  /** Routes that need no token. */
  openRoutes: ReadonlyMap<string, Route>;
  /** Routes for the owner. */
  ownerRoutes: readonly [string, Route][];
}

/** The page of a daemon, with the sessions of those who look at it. */
export function servedPage(token: TokenCheck): ServedPage {
  const pages = new PageSessions(token);
  const code = allowMethod("POST", (request, { page }) => {
    // The session of a page is one under the current token.
    if (!page) requireCurrent(token, requestToken(request) ?? "");
    return Response.json({ code: pages.createCode() });
  });
  const wait = allowMethod("POST", async (request) => {
    return Response.json({ used: await pages.whenUsed(await request.text()) });
  });
  return {
    pages,
    openRoutes: openPageRoutes(pages, token),
    // With the code a browser is signed in once.
    ownerRoutes: ownerOnly([["/page/code", code], ["/page/wait", wait]]),
  };
}

/** What a browser gets without the token: the page, which holds no data, and a session for the token or a code. */
function openPageRoutes(pages: PageSessions, token: TokenCheck): Map<string, Route> {
  // Where no token is required, the user of the connection is asked for in place of a session.
  const signedIn = () =>
    Response.json(token.required ? { page_session: pages.begin() } : {}, {
      headers: { "cache-control": "no-store" },
    });
  return new Map<string, Route>([
    ...Object.entries(PAGE_FILES).map(([path, file]): [string, Route] => [path, fileRoute(file)]),
    [
      "/page/session",
      allowMethod("POST", async (request) => {
        requireCurrent(token, await shortText(request));
        return signedIn();
      }),
    ],
    [
      "/page/open",
      allowMethod("POST", async (request) => {
        if (pages.redeem(await shortText(request))) return signedIn();
        // Not counted as a wrong token: an address that was opened twice is no attack.
        throw new ExaiError(
          "FORBIDDEN",
          "the code in this address was used before, or is older than two minutes; exai-daemon page makes another",
        );
      }),
    ],
  ]);
}

/**
 * A token that was replaced is not enough, also in its grace period: the session would outlive it.
 *
 * @throws {ExaiError} `UNAUTHORIZED`
 */
function requireCurrent(token: TokenCheck, presented: string): void {
  if (!token.required || token.isCurrent(presented)) return;
  throw new ExaiError(
    "UNAUTHORIZED",
    "this is not the daemon's token, or no longer; exai-daemon token show prints it",
  );
}

function fileRoute({ type, load }: PageFile): Route {
  let loading: Promise<{ text: string; etag: string }> | undefined;
  return allowMethod("GET", async (request) => {
    loading ??= withTag(load);
    // One that has failed is tried again.
    loading.catch(() => loading = undefined);
    const { text, etag } = await loading;
    const headers = {
      "content-type": type,
      "content-security-policy": POLICY,
      "referrer-policy": "no-referrer",
      // Asked for again each time: another version of the daemon has another page.
      "cache-control": "no-cache",
      etag,
    };
    if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
    return new Response(text, { headers });
  });
}

async function withTag(load: PageFile["load"]): Promise<{ text: string; etag: string }> {
  const text = await load();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return { text, etag: `"${new Uint8Array(digest).toHex().slice(0, 32)}"` };
}

async function shortText(request: Request): Promise<string> {
  const length = Number(request.headers.get("content-length") ?? NaN);
  if (length <= MAX_TOKEN_BYTES) return (await request.text()).trim();
  throw new ExaiError(
    "INVALID_REQUEST",
    `a text of at most ${MAX_TOKEN_BYTES} bytes is expected, with its length`,
  );
}
