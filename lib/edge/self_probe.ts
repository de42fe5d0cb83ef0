import { getLogger } from "@logtape/logtape";
import { deadline } from "@std/async/deadline";
import { ExaiError, messageOf } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { mapSome } from "../base/map_some.ts";

const log = getLogger(["exai", "edge"]);

/** A listener to probe. */
export type ProbedListener =
  | { kind: "address"; hostname: string; port: number; tls?: { requestsCertificate: boolean } }
  | { kind: "socket"; path: string };

interface SelfProbeOptions {
  /** Whether requests without a token must be refused. */
  requiresToken: boolean;
  /** Time limit for each attempt, in milliseconds; no answer counts as refused. */
  timeoutMs: number;
}

/** A request that must be refused. */
interface ProbeAttempt {
  /** What is wrong when it is not refused. */
  failure: string;
  bytes: Uint8Array;
  /** Whether the response so far shows that it was not refused; undefined: not known yet. */
  isAdmitted(text: string): boolean | undefined;
}

/**
 * Sends each listener of this daemon requests that it must refuse: from a web page, with a rebound Host, without the token,
 * without a certificate.
 *
 * @throws {ExaiError} `CONFIG` when one is not refused
 */
export async function probeListeners(
  listeners: readonly ProbedListener[],
  options: SelfProbeOptions,
): Promise<void> {
  const found = await Promise.all(listeners.map((listener) => faultsOf(listener, options)));
  const faults = found.flat();
  if (faults.length === 0) return;
  throw new ExaiError(
    "CONFIG",
    `the daemon does not start, because requests without authorization are accepted at ${
      faults.join("; and at ")
    }. ` +
      "This is a fault in EXAI or in what stands before it, as a proxy; please report it",
  );
}

async function faultsOf(
  listener: ProbedListener,
  { requiresToken, timeoutMs }: SelfProbeOptions,
): Promise<string[]> {
  const all = attempts(listener, requiresToken);
  // One after the other on a named pipe, which has a limited number of connections.
  const limit = listener.kind === "socket" && isPipe(listener.path) ? 1 : all.length;
  const faults = await mapSome(limit, all, async (attempt) => {
    const isAdmitted = await runAttempt(listener, { ...attempt, timeoutMs });
    return isAdmitted ? [`${nameOf(listener)}: ${attempt.failure}`] : [];
  });
  return faults.flat();
}

function isPipe(path: string): boolean {
  return !path.startsWith("/");
}

function attempts(listener: ProbedListener, requiresToken: boolean): ProbeAttempt[] {
  const host = listener.kind === "socket" ? "localhost" : `localhost:${listener.port}`;
  if (listener.kind === "address" && listener.tls?.requestsCertificate) {
    return [
      http("a client without a certificate is answered (runtimes older than Deno 2.9 may not ask for one)", {
        host,
      }, undefined),
    ];
  }
  const all = [
    http("a request for another Host is not refused", { host: "stranger.invalid" }, 403),
    http("a web page's request is not refused", { host, origin: "https://stranger.invalid" }, 403),
    http("what a page of another site loads is not refused", { host, "sec-fetch-site": "cross-site" }, 403),
    upgrade("a web page's WebSocket is not refused", { host, origin: "https://stranger.invalid" }),
  ];
  if (!requiresToken) return all;
  return [
    ...all,
    http("a request without the token is not refused", { host }, 401),
    upgrade("a hello without the token is not refused", { host }, '{"op":"hello","client":"stranger"}'),
    upgrade(
      "a command without a proof is not refused",
      { host },
      '{"op":"request","method":"GET","path":"/health"}',
    ),
  ];
}

/** A GET of `/health` that must be answered with the status `refused`, or not at all when that is undefined. */
function http(failure: string, headers: Record<string, string>, refused: number | undefined): ProbeAttempt {
  return {
    failure,
    bytes: head({ ...headers, connection: "close" }, "/health"),
    isAdmitted: (text) => {
      const status = statusIn(text);
      return status === undefined ? undefined : status !== refused;
    },
  };
}

/** A WebSocket upgrade that must be refused or, with an `opening` frame, the opening. */
function upgrade(failure: string, headers: Record<string, string>, opening?: string): ProbeAttempt {
  const key = { "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==" };
  const start = head({ ...headers, upgrade: "websocket", connection: "Upgrade", ...key }, "/");
  const frame = opening === undefined ? new Uint8Array() : textFrame(opening);
  return {
    failure,
    bytes: new Uint8Array([...start, ...frame]),
    isAdmitted: (text) => {
      const status = statusIn(text);
      if (status !== 101) return status === undefined ? undefined : false;
      if (opening === undefined) return true;
      return /"ok":true|"op":"response"/.test(text) || (/"ok":false/.test(text) ? false : undefined);
    },
  };
}

function head(headers: Record<string, string>, path: string): Uint8Array {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${lines}\r\n`);
}

function statusIn(text: string): number | undefined {
  const found = /^HTTP\/1\.[01] (\d{3})/.exec(text);
  return found ? Number(found[1]) : undefined;
}

/** One final text frame of less than 126 bytes, with a mask of zeros (RFC 6455, section 5.2). */
function textFrame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return new Uint8Array([0x81, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

async function runAttempt(
  listener: ProbedListener,
  { bytes, isAdmitted, timeoutMs }: ProbeAttempt & { timeoutMs: number },
): Promise<boolean> {
  let conn: ProbeConnection | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const opened: ProbeConnection = await deadline(connect(listener), timeoutMs);
    conn = opened;
    const close = () => opened.close();
    timer = setTimeout(close, timeoutMs);
    const writer = opened.writable.getWriter();
    await writer.write(bytes);
    let text = "";
    for await (const part of opened.readable.pipeThrough(new TextDecoderStream("latin1"))) {
      text += part;
      const known = isAdmitted(text);
      if (known !== undefined) return known;
    }
  } catch (thrown) {
    // The connection was refused or closed.
    log.debug("{listener} refuses the probe: {why}", { listener: nameOf(listener), why: messageOf(thrown) });
  } finally {
    clearTimeout(timer);
    conn?.close();
  }
  return false;
}

interface ProbeConnection {
  readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  writable: WritableStream<Uint8Array>;
  close(): void;
}

async function connect(listener: ProbedListener): Promise<ProbeConnection> {
  if (listener.kind === "socket" && !isPipe(listener.path)) {
    return closable(await Deno.connect({ transport: "unix", path: listener.path }));
  }
  if (listener.kind === "address" && !listener.tls) return closable(await Deno.connect(reachable(listener)));
  const { connectWithNode } = await import("./node_connection.ts");
  return await connectWithNode(listener.kind === "socket" ? { path: listener.path } : reachable(listener));
}

/** The loopback address for a server that listens on a wildcard address. */
function reachable({ hostname, port }: { hostname: string; port: number }) {
  const wildcards: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return { hostname: ownEntry(wildcards, hostname) ?? hostname, port };
}

/** `conn` with a `close` that may be called more than once. */
function closable(conn: Deno.Conn): ProbeConnection {
  const close = () => {
    try {
      conn.close();
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.BadResource)) throw thrown;
    }
  };
  return { readable: conn.readable, writable: conn.writable, close };
}

function nameOf(listener: ProbedListener): string {
  return listener.kind === "socket" ? listener.path : `${listener.hostname}:${listener.port}`;
}
