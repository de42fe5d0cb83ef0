import { resolvedWithin } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import { type PeerConnection, PeerUsers } from "../../transport/peer_user.ts";
import { failedPage, foreignPage, signedInPage, strayPage } from "./login_page.ts";

/** The redirect address where no other was registered, without its port. */
const ADDRESS = "http://127.0.0.1/callback";

/** How long a browser may take to be given its last page. */
const LAST_PAGE_MS = 2 * SECOND_MS;

/** Parameters that decide something: an answer with two of one is none (RFC 6749 section 3.1). */
const ONCE = ["state", "code", "iss", "error"];

/** How often a port is looked for that is free at both addresses of `localhost`. */
const PORT_ATTEMPTS = 8;

/** Where the answer is to come. */
export interface RedirectAddress {
  /** On loopback, without its port: as it was registered. */
  address?: string;
  /** 0: any free one. */
  port?: number;
}

/** The login whose answer is waited for. */
interface ExpectedAnswer {
  state: string;
  /** The server and the account, by their names, for the page. */
  server: string;
  account: string;
  /** Ends the login; as whom it says, and what it throws, is shown in the browser. */
  take(params: URLSearchParams): Promise<string | undefined>;
}

/**
 * The loopback address that an authorization server sends the browser back to (RFC 8252 section 7.3). Open while one
 * login is pending, takes one answer, and tells the browser whether it worked.
 */
export class RedirectListener implements AsyncDisposable {
  readonly #servers: Deno.HttpServer<Deno.NetAddr>[] = [];
  readonly #address: URL;
  #expected: ExpectedAnswer | undefined;

  /** @throws {ExaiError} `CONFIG` when another program has the port */
  constructor({ address = ADDRESS, port = 0 }: RedirectAddress = {}) {
    this.#address = new URL(address);
    try {
      this.#address.port = String(this.#open(port));
    } catch (thrown) {
      void this[Symbol.asyncDispose]();
      const why = `the port ${port} for the answer of the sign-in cannot be opened: ${messageOf(thrown)}; ` +
        "end the program that has it, or change callbackPort in mcp.json";
      throw new ExaiError("CONFIG", why, { cause: thrown });
    }
  }

  /** Listens where a browser looks for the address; returns the port. */
  #open(wanted: number): number {
    const { hostname } = this.#address;
    if (hostname !== "localhost") return this.#listen(hostname === "[::1]" ? "::1" : "127.0.0.1", wanted);
    for (let attempt = 1;; attempt++) {
      const port = this.#listen("127.0.0.1", wanted);
      try {
        return this.#listen("::1", port);
      } catch (thrown) {
        // Without IPv6 no browser takes the name for that address.
        if (!(thrown instanceof Deno.errors.AddrInUse)) return port;
        // What listens there would be sent the answer.
        if (wanted !== 0 || attempt === PORT_ATTEMPTS) throw thrown;
      }
    }
  }

  #listen(hostname: string, port: number): number {
    const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
      { hostname, port, onListen: () => {} },
      (request, { remoteAddr }) => this.#answer(request, { local: server.addr, remote: remoteAddr }),
    );
    this.#servers.push(server);
    return server.addr.port;
  }

  /** The redirect URI of the login. */
  get url(): string {
    return this.#address.href;
  }

  /** From now on the answer with the state of `expected` is taken, once. */
  expect(expected: ExpectedAnswer): void {
    this.#expected = expected;
  }

  /** Takes an answer that came another way, such as pasted; undefined when it is not the one that is waited for. */
  take(params: URLSearchParams): Promise<string | undefined> | undefined {
    const expected = this.#expected;
    if (!expected || !isAnswerTo(expected, params)) return undefined;
    this.#expected = undefined;
    return expected.take(params);
  }

  async #answer(request: Request, connection: PeerConnection): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    // Another name means a page that had its own name lead here (DNS rebinding).
    if (request.headers.get("host") !== this.#address.host) {
      return new Response("wrong host\n", { status: 421 });
    }
    if (pathname !== this.#address.pathname) return new Response("there is nothing here\n", { status: 404 });
    // Anything else is a program that looks at links, which must not use up the answer.
    if (request.method !== "GET") return new Response("GET only\n", { status: 405 });
    const expected = this.#expected;
    if (!expected) return strayPage();
    if (!await isOwnUsers(connection)) return foreignPage(expected);
    const taken = this.take(searchParams);
    if (!taken) return strayPage();
    try {
      return signedInPage(expected, await taken);
    } catch (thrown) {
      return failedPage(expected.server, messageOf(thrown));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#expected = undefined;
    const closed = Promise.all(this.#servers.map((server) => server.shutdown()));
    await resolvedWithin(closed, LAST_PAGE_MS);
  }
}

/**
 * Whether the browser is this user's. Another user who came to know the address of a login could sign in as himself, and
 * state and PKCE would fit. Root may do anything anyway, and passes on what a browser of Windows asks of WSL.
 */
async function isOwnUsers(connection: PeerConnection): Promise<boolean> {
  using users = await PeerUsers.open();
  const { kind, user } = users.ofPeer(connection);
  return kind === "own" || kind === "other" && user === ROOT;
}

const ROOT = "0";

function isAnswerTo({ state }: ExpectedAnswer, params: URLSearchParams): boolean {
  return params.get("state") === state && ONCE.every((name) => params.getAll(name).length <= 1);
}
