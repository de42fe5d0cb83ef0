import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerStatus, SessionStatus } from "../../lib/admin/status_rows.ts";
import type { WatchEvent } from "../../lib/admin/watch_event.ts";
import { PAGE_FILES } from "../../lib/page/files.ts";
import { servedPage } from "../../lib/page/routes.ts";
import { hello, sample, serverRow, sessionRow } from "./watch_rows.ts";

const { openRoutes } = servedPage({ required: false, current: "", isCurrent: () => false });

/** Serves the page by the routes of the daemon, and a stream that a test makes. */
export class FakeWatch implements AsyncDisposable {
  /** What was asked for by `POST`, with the query. */
  readonly posted: string[] = [];
  /** What streams begin with. */
  begin: WatchEvent[] = [hello()];
  /** What `GET /calls?id=ID` answers. */
  call: JsonObject = {};
  /** What `GET /auth` answers. */
  accounts: JsonObject[] = [];
  /** What `POST /auth/login` answers. */
  login: JsonObject = {};
  /** What `GET /auth/wait` answers, once it does. */
  waited: Promise<Response> = new Promise(() => {});
  /** What is required of whoever reads; undefined: nothing. */
  token: string | undefined;
  /** The key that is given for it. */
  session = "one";
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>>();

  constructor(port = 0) {
    this.#server = Deno.serve(
      { port, hostname: "127.0.0.1", onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Tells all that read now. */
  tell(...events: WatchEvent[]): void {
    const bytes = encode(events);
    for (const stream of this.#streams) stream.enqueue(bytes);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    if (pathname in PAGE_FILES) return await openRoutes.get(pathname)!(request, { isOwner: true });
    if (pathname === "/page/session" && await request.text() === this.token) {
      return Response.json({ page_session: this.session });
    }
    if (this.token !== undefined && request.headers.get("x-exai-page") !== this.session) {
      return Response.json({ error: { code: "UNAUTHORIZED", message: "the token is missing" } }, {
        status: 401,
      });
    }
    if (request.method === "POST") this.posted.push(pathname + search);
    if (pathname === "/watch") return this.#watch();
    if (pathname === "/calls") {
      return Response.json(search.includes("id=") ? { call: this.call } : { calls: [] });
    }
    if (pathname === "/auth/wait") return (await this.waited).clone();
    if (pathname === "/auth/login") return Response.json(this.login);
    return Response.json(pathname === "/auth" ? { accounts: this.accounts } : {});
  }

  #watch(): Response {
    let mine: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
    const lines = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        mine = controller;
        this.#streams.add(controller);
        controller.enqueue(encode(this.begin));
      },
      cancel: () => void this.#streams.delete(mine),
    });
    return new Response(lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
    await this.#server.shutdown();
  }
}

function encode(events: readonly WatchEvent[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(events.map((event) => JSON.stringify(event) + "\n").join(""));
}

/** A name that is markup, of a server, a tool or a client. */
export const MARKUP = '<img src=x onerror="window.wasRun=1"><script>window.wasRun=1</script>';

/** A day at a desk: a few servers in all states, three windows, calls. */
export function smallDay(): WatchEvent[] {
  return [
    hello(),
    { type: "servers", at_ms: 1, whole: true, gone: [], rows: dayServers() },
    { type: "sessions", at_ms: 1, whole: true, gone: [], rows: daySessions() },
    {
      type: "calls",
      at_ms: 1,
      whole: true,
      left_out: 0,
      calls: [
        callRow("a1", { outcome: "ok", duration_ms: 12 }),
        callRow("a2", { outcome: "TIMEOUT", tool: MARKUP, message: "it did not answer in 60 s" }),
        callRow("a3", { outcome: "running", waits_for: "a permit of the server" }),
      ],
    },
    {
      type: "notice",
      at_ms: 1,
      faults: ["the server broken does not start"],
      notes: ["the port is another one"],
    },
    ...Array.from({ length: 60 }, (_, i) => daySample(i)),
  ];
}

function dayServers(): Record<string, ServerStatus> {
  const shared = {
    scope: "machine",
    why: "it keeps nothing of a client",
    share_key: "k1",
    memory_bytes: 90_000_000,
  };
  const ofProject = { scope: "project", why: "it was given a directory" };
  return {
    "files#k1": {
      ...serverRow("files"),
      ...shared,
      pid: 11,
      sessions: ["s1", "s2", "s3"],
      calls: 420,
      inflight: 1,
    },
    "git#a": { ...serverRow("git"), ...ofProject, pid: 12, share_key: "a", sessions: ["s1"] },
    "git#b": { ...serverRow("git"), ...ofProject, pid: 13, share_key: "b", sessions: ["s2", "s3"] },
    "tracker": {
      ...serverRow("tracker", "needs a login"),
      cause: "nobody is signed in to it",
      advice: "exai-daemon auth login tracker",
    },
    "broken": {
      ...serverRow("broken", "failed"),
      cause: "the program ends with exit code 1: no such module",
      advice: "run it by hand",
      failures: 3,
    },
    "spare": serverRow("spare", "not started"),
    [MARKUP]: serverRow(MARKUP, "starting"),
  };
}

function daySessions(): Record<string, SessionStatus> {
  return {
    s1: {
      ...sessionRow("s1"),
      window: "100",
      client: "claude-code",
      cwd: "/home/ana/shop",
      calls: 12,
      inflight: 1,
    },
    s2: { ...sessionRow("s2"), window: "200", cwd: "/home/ana/site" },
    s3: { ...sessionRow("s3"), window: "300", client: MARKUP, cwd: "/home/ana/site", connected: false },
  };
}

/** As many servers and windows as anybody has: each window uses every tenth server. */
export function largeDay(servers: number, windows: number): WatchEvent[] {
  const ids = Array.from({ length: windows }, (_, i) => `s${i}`);
  const rows = Array.from({ length: servers }, (_, i): [string, ServerStatus] => {
    const name = `server-${String(i).padStart(3, "0")}`;
    return [`${name}#k`, {
      ...serverRow(name),
      share_key: "k",
      sessions: ids.filter((_, j) => (i + j) % 10 === 0),
    }];
  });
  return [
    hello(),
    { type: "servers", at_ms: 1, whole: true, gone: [], rows: Object.fromEntries(rows) },
    {
      type: "sessions",
      at_ms: 1,
      whole: true,
      gone: [],
      rows: Object.fromEntries(
        ids.map((id, i) => [id, { ...sessionRow(id), window: id, cwd: `/home/ana/p${i}` }]),
      ),
    },
    sample(),
  ];
}

function callRow(id: string, more: JsonObject): JsonObject {
  const started_at = "2026-11-28T10:00:00.000Z";
  return {
    id,
    started_at,
    session: "s1",
    client: "claude-code",
    server: "files",
    method: "tools/call",
    tool: "read",
    duration_ms: 900,
    bytes_in: 20,
    bytes_out: 2000,
    ...more,
  };
}

function daySample(i: number): WatchEvent {
  const wave = Math.sin(i / 6) + 1;
  return {
    ...sample(i * 2000),
    calls: Math.round(20 * wave),
    failed: i % 9 === 0 ? 2 : 0,
    p50_ms: 5 + 4 * wave,
    p95_ms: 60 + 80 * wave,
    list_changes: [{ cause: "mounted", server: "files", count: 2, last_at: "2026-11-28T10:00:00.000Z" }],
  };
}
