import { dirname, fromFileUrl, resolve } from "@std/path";
import { probeDaemon } from "../../lib/client/probe.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { readWindowSettings } from "../../lib/config/window_settings.ts";
import { locateDaemon } from "../../lib/client/address.ts";
import { hold, tempDir } from "../lib/held.ts";
import {
  commandFor,
  endStartedDaemon,
  privateEnv,
  SOURCE,
  startedDaemon,
  startPrivateDaemon,
} from "../lib/programs.ts";
import type { Command } from "../lib/spawned.ts";
import { type Seen, type Server, throughShim } from "./clients.ts";

const PROBE_MS = 2000;

/** A daemon to check and how a shim reaches it. */
export interface Subject {
  server: Server;
  shim: Command;
  /** For the person who reads the table. */
  note: string;
  /** What was seen while it was started. */
  seen: Seen[];
}

/** The daemon at `url`, wherever it is. */
export async function givenDaemon(server: Server, shim = SOURCE.shim): Promise<Subject> {
  const { hostname, port, protocol } = new URL(server.url);
  const env = {
    ...privateEnv(await tempDir("exai-smoke-")),
    EXAI_WS_HOST: hostname.replace(/^\[|\]$/g, ""),
    EXAI_WS_PORT: port || (protocol === "wss:" ? "443" : "80"),
    EXAI_WS_TOKEN: server.token ?? "",
    EXAI_WS_AUTOSTART: "false",
  };
  return { server, shim: { ...commandFor(shim), env }, note: `the daemon at ${server.url}`, seen: [] };
}

/** The daemon that runs where the settings say, if one does. */
export async function runningDaemon(shim = SOURCE.shim): Promise<Subject | undefined> {
  const programDir = fromFileUrl(new URL("../..", import.meta.url));
  const { settings } = await readWindowSettings({ args: [], programDir });
  const target = await locateDaemon(settings, statePaths(settings));
  const url = await target.readUrl().catch(() => undefined);
  if (!url) return undefined;
  const { usesToken, allowsAnyUser, readToken } = target;
  const found = await probeDaemon(url, { usesToken, allowsAnyUser, readToken, timeoutMs: PROBE_MS });
  if (found.kind !== "exai") return undefined;
  const server = { url, token: await target.readToken() };
  const env = { EXAI_WS_AUTOSTART: "false" };
  return {
    server,
    shim: { ...commandFor(shim), env },
    note: `the daemon running at ${url}`,
    seen: [],
  };
}

/** A daemon of our own, ended with the tool. */
export async function ownDaemon(daemon = SOURCE.daemon, shim = SOURCE.shim): Promise<Subject> {
  const { url } = await startPrivateDaemon(daemon);
  const subject = await givenDaemon({ url }, shim);
  return { ...subject, note: `a private daemon, ${daemon}` };
}

/** Whether the shim at `shim` would start the daemon at `daemon`. */
export function isPair(daemon: string, shim: string): boolean {
  return dirname(resolve(daemon)) === dirname(resolve(shim));
}

/** A daemon that the shim at `path` starts by itself, ended with the tool. */
export async function startedByShim(path: string): Promise<Subject> {
  const home = await tempDir("exai-smoke-");
  const shim = { ...commandFor(path), env: privateEnv(home) };
  // Held before it is started: a shim that fails may have started it all the same.
  hold("process", () => endStartedDaemon(home));
  const seen = await throughShim("shim alone", shim);
  const { url } = await startedDaemon(home);
  return { server: { url }, shim, note: `the daemon that ${path} started`, seen: [seen] };
}
