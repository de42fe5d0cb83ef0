import { getLogger } from "@logtape/logtape";
import { deadline } from "@std/async/deadline";
import { ExaiError, messageOf } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";

const log = getLogger(["exai", "edge"]);

/** A door as a stranger sees it. */
export type ProbedListener =
  | { kind: "address"; hostname: string; port: number; tls?: { asksCertificate: boolean } }
  | { kind: "socket"; path: string };

interface SelfProbeOptions {
  /** Whether nobody should get in without the token. */
  asksToken: boolean;
  /** How long a door may take to answer; one that does not answer lets nobody in. */
  timeoutMs: number;
}

/** One way a stranger tries. */
interface ProbeAttempt {
  /** What is wrong when it works. */
  gotIn: string;
  bytes: Uint8Array;
  /** Reads what came so far: whether the stranger got in; undefined: not known yet. */
  verdict(text: string): boolean | undefined;
}

/**
 * Tries to get in at each of our own doors as a stranger would: from a web page, by a rebound name, without the token,
 * without a certificate.
 *
 * @throws {ExaiError} `CONFIG` when one gets in
 */
export async function probeOwnDoors(
  doors: readonly ProbedListener[],
  options: SelfProbeOptions,
): Promise<void> {
  const found = await Promise.all(
    doors.flatMap((door) =>
      attempts(door, options.asksToken).map(async (attempt) => {
        const gotIn = await tryOne(door, attempt, options.timeoutMs);
        return gotIn ? [`${nameOf(door)}: ${attempt.gotIn}`] : [];
      })
    ),
  );
  const faults = found.flat();
  if (faults.length === 0) return;
  throw new ExaiError(
    "CONFIG",
    `the daemon does not start, because a stranger would get in at ${faults.join("; and at ")}. ` +
      "This is a fault in EXAI or in what stands before it, as a proxy; please report it",
  );
}

function attempts(door: ProbedListener, asksToken: boolean): ProbeAttempt[] {
  const host = door.kind === "socket" ? "localhost" : `localhost:${door.port}`;
  if (door.kind === "address" && door.tls?.asksCertificate) {
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
  if (!asksToken) return all;
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

/** A request for something harmless; any answer but `refused` lets in, any at all when that is undefined. */
function http(gotIn: string, headers: Record<string, string>, refused: number | undefined): ProbeAttempt {
  return {
    gotIn,
    bytes: head({ ...headers, connection: "close" }, "/health"),
    verdict: (text) => {
      const status = statusIn(text);
      return status === undefined ? undefined : status !== refused;
    },
  };
}

/** A WebSocket; with an `opening` only its answer tells. */
function upgrade(gotIn: string, headers: Record<string, string>, opening?: string): ProbeAttempt {
  const key = { "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==" };
  const start = head({ ...headers, upgrade: "websocket", connection: "Upgrade", ...key }, "/");
  const frame = opening === undefined ? new Uint8Array() : textFrame(opening);
  return {
    gotIn,
    bytes: new Uint8Array([...start, ...frame]),
    verdict: (text) => {
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

/** One final text frame of less than 126 bytes, masked with zeros (RFC 6455, section 5.2). */
function textFrame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return new Uint8Array([0x81, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

async function tryOne(
  door: ProbedListener,
  { bytes, verdict }: ProbeAttempt,
  timeoutMs: number,
): Promise<boolean> {
  let conn: ProbeConnection | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const opened: ProbeConnection = await deadline(connect(door), timeoutMs);
    conn = opened;
    const close = () => opened.close();
    timer = setTimeout(close, timeoutMs);
    const writer = opened.writable.getWriter();
    await writer.write(bytes);
    let text = "";
    for await (const part of opened.readable.pipeThrough(new TextDecoderStream("latin1"))) {
      text += part;
      const known = verdict(text);
      if (known !== undefined) return known;
    }
  } catch (thrown) {
    // Cut off, or not even let to connect.
    log.debug("nobody gets in at {door}: {why}", { door: nameOf(door), why: messageOf(thrown) });
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

async function connect(door: ProbedListener): Promise<ProbeConnection> {
  if (door.kind === "socket" && door.path.startsWith("/")) {
    return closable(await Deno.connect({ transport: "unix", path: door.path }));
  }
  if (door.kind === "address" && !door.tls) return closable(await Deno.connect(reachable(door)));
  const { openByNode } = await import("./node_connection.ts");
  return await openByNode(door.kind === "socket" ? { path: door.path } : reachable(door));
}

/** Where a server that listens everywhere is reached. */
function reachable({ hostname, port }: { hostname: string; port: number }) {
  const everywhere: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return { hostname: ownEntry(everywhere, hostname) ?? hostname, port };
}

/** As it is, but that it may be closed more than once. */
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

function nameOf(door: ProbedListener): string {
  return door.kind === "socket" ? door.path : `${door.hostname}:${door.port}`;
}
