import { deadline } from "@std/async/deadline";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { type EraServer, serveEras } from "../fixtures/eras/http.ts";
import type { ClientKind, Door, Place } from "./era_client.ts";
import { eraClient } from "./eras.ts";
import type { Upstream } from "./eras_pairing.ts";
import { ROWS } from "./eras_rows.ts";
import { mountingDaemon } from "./mounts.ts";
import { rawModern } from "./raw_modern.ts";

const fixture = fromFileUrl(new URL("../fixtures/eras_server.ts", import.meta.url));

export const UPSTREAMS: Record<string, Upstream> = {
  "legacy-stdio": { era: "legacy", transport: "stdio" },
  "legacy-http": { era: "legacy", transport: "http" },
  "modern-stdio": { era: "modern", transport: "stdio" },
  "modern-http": { era: "modern", transport: "http" },
  "both-stdio": { era: "both", transport: "stdio" },
  "both-http": { era: "both", transport: "http" },
};

/** The entry of mcp.json for a face of the fixture on stdio. */
export function eraEntry(era: Upstream["era"]): JsonObject {
  return { command: Deno.execPath(), args: ["run", "-A", "--no-check", fixture, "--era", era] };
}

/**
 * A daemon of this process with all faces of the fixture mounted, those over HTTP in this process too. `ofLegacy` is added
 * to the entries of those that are of the legacy era alone.
 */
export async function erasDaemon(names = Object.keys(UPSTREAMS), ofLegacy: JsonObject = {}) {
  const servers: Record<string, JsonObject> = {};
  const faces: EraServer[] = [];
  for (const name of names) {
    const { era, transport } = UPSTREAMS[name]!;
    const more = era === "legacy" ? ofLegacy : {};
    if (transport === "stdio") {
      servers[name] = { ...eraEntry(era), ...more };
      continue;
    }
    const face = serveEras(era);
    faces.push(face);
    servers[name] = { url: face.url, ...more };
  }
  const it = await mountingDaemon(servers);
  return {
    ...it,
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      for (const face of faces) await face[Symbol.asyncDispose]();
    },
  };
}

export interface PairingName {
  client: ClientKind;
  door: Door;
  upstream: string;
  /** The client is connected to the server itself. */
  direct?: boolean;
}

const CLIENTS = ["legacy", "modern"] as const;
const FOUR = ["legacy-stdio", "legacy-http", "modern-stdio", "modern-http"];

/** The sixteen pairings, and the WebSocket as a third door. */
export const PAIRINGS: PairingName[] = [
  ...CLIENTS.flatMap((client) =>
    (["http", "shim"] as const).flatMap((door) => FOUR.map((upstream) => ({ client, door, upstream })))
  ),
  { client: "legacy", door: "websocket", upstream: "legacy-stdio" },
  { client: "modern", door: "websocket", upstream: "legacy-stdio" },
  { client: "modern", door: "websocket", upstream: "modern-stdio" },
];

export interface Cell {
  /** `client door upstream: row`. */
  name: string;
  /** Why it does not hold; undefined: it does. */
  fault?: string;
}

/** How long a row may take, and a connection. */
const ROW_MS = 8000;
const CONNECT_MS = 20_000;
/** What a connection may take, a start of shim and server included, before somebody would wonder. */
const CONNECT_SOON_MS = 6000;

/** Runs all rows of one pairing, one after another. */
export async function runPairing(
  { client: kind, door, upstream, direct = false }: PairingName,
  daemon: { http: string; home: string },
  rows: string[] = Object.keys(ROWS),
): Promise<Cell[]> {
  const place: Place = { door, server: direct ? undefined : upstream, http: daemon.http, home: daemon.home };
  const name = `${kind} ${door} ${upstream}`;
  const within = async (run: () => Promise<unknown>, ms = ROW_MS) => {
    try {
      await deadline(run(), ms);
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
    }
  };
  await using stack = new AsyncDisposableStack();
  const cells: Cell[] = [];
  const it = { upstream: UPSTREAMS[upstream]!, place } as Parameters<typeof ROWS[string]>[0];
  const fromMs = performance.now();
  const fault = await within(async () => {
    it.client = stack.use(await eraClient(kind, place));
    it.raw = kind === "legacy" ? undefined : stack.use(await rawModern(place));
  }, CONNECT_MS);
  const tookMs = Math.round(performance.now() - fromMs);
  // Who asks first finds the newer era on every door, whatever is behind it.
  const isOld = kind !== "legacy" && it.client?.era !== "modern"
    ? "it was spoken to in the older era"
    : undefined;
  const late = tookMs > CONNECT_SOON_MS ? `connected after ${tookMs} ms` : undefined;
  cells.push({ name: `${name}: connect`, fault: fault ?? isOld ?? late });
  if (fault) return cells;
  for (const row of rows) cells.push({ name: `${name}: ${row}`, fault: await within(() => ROWS[row]!(it)) });
  return cells;
}
