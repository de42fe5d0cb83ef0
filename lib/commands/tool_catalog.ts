import { ExaiError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { visible } from "../base/visible.ts";
import type { CatalogAnswer, CatalogTool } from "../admin/server_routes.ts";
import type { DaemonStatus } from "../admin/status_rows.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { DaemonSession } from "../client/daemon_session.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Settings } from "../config/settings.ts";
import type { Invocation } from "./command.ts";
import { MAX_ERROR_CHARS } from "./table.ts";

/** How long servers that start are waited for. */
const MAX_WAIT_MS = MINUTE_MS;

/** The tools that a window in the directory of the command is offered, and why some servers have none there. */
export interface ToolCatalog {
  tools: CatalogTool[];
  missing: MissingServer[];
  /** Servers that are switched off, which are missed by nobody who does not name them. */
  off: MissingServer[];
}

interface MissingServer {
  server: string;
  /** Why its tools are not there and what to do. */
  why: string;
}

/** The directory the command was called in; undefined when it is gone. */
function currentDirectory(): string | undefined {
  try {
    return Deno.cwd();
  } catch {
    return undefined;
  }
}

/** Opens a session with the daemon, which is started if need be, for the directory of the command. */
export async function openSession(
  { settings, own }: Pick<Invocation, "settings" | "own">,
): Promise<DaemonSession> {
  return await DaemonSession.open({ settings, own }, { cwd: currentDirectory() });
}

interface AwaitedTools {
  /** What is looked for: servers that are being started are not waited for once it is there. */
  isEnough?(tools: readonly CatalogTool[]): boolean;
  /** If it is the name of a server, no other one is waited for. */
  server?: string;
}

/** Every tool for `session`, once the servers that are being started have listed theirs. */
export async function readCatalog(
  { settings, progress }: Invocation,
  session: DaemonSession,
  { isEnough = () => false, server: only }: AwaitedTools = {},
): Promise<ToolCatalog> {
  const untilMs = performance.now() + MAX_WAIT_MS;
  const ask = () => askTools(settings, session);
  let answer = await ask();
  const settled = new Set<string>();
  let said = "";
  while (true) {
    const { servers } = await askDaemon(settings, "/status") as DaemonStatus;
    const isOne = servers.some(({ server }) => server === only);
    const awaited = answer.missing
      .filter(({ server, is_coming }) => is_coming && !settled.has(server) && (!isOne || server === only))
      .map(({ server }) => ({ server, progress: progressOf(server, servers) }));
    const isOver = isEnough(answer.tools) || performance.now() > untilMs;
    if (isOver || awaited.every(({ progress }) => progress === "failed")) {
      const missing = explain(answer.missing, servers, answer.tools);
      return { tools: answer.tools, missing, off: switchedOff(servers) };
    }
    // Asking for the list of a server that has failed would start it again, and again.
    for (const { server, progress } of awaited) if (progress !== "coming") settled.add(server);
    if (awaited.some(({ progress }) => progress === "ready")) answer = await ask();
    else {
      const names = awaited.filter(({ progress }) => progress === "coming").map(({ server }) => server);
      const what = `waiting for ${names.join(", ")} to list ${names.length === 1 ? "its" : "their"} tools`;
      if (what !== said) progress.step(said = what);
      await session.toolsChanged(SECOND_MS);
    }
  }
}

async function askTools(settings: Settings, session: DaemonSession): Promise<CatalogAnswer> {
  try {
    return await askDaemon(
      settings,
      `/tools?${new URLSearchParams({ session: session.id })}`,
    ) as CatalogAnswer;
  } catch (thrown) {
    if (session.daemonVersion === VERSION || ExaiError.from(thrown).code !== "RESOURCE_NOT_FOUND") {
      throw thrown;
    }
    const which = `the daemon that runs is EXAI ${session.daemonVersion}, and this command is ${VERSION}`;
    throw new ExaiError(
      "DAEMON_UNAVAILABLE",
      `${which}; exai-daemon restart starts the daemon of this version`,
    );
  }
}

/** How far a server is whose tools are not known yet. */
function progressOf(name: string, servers: DaemonStatus["servers"]): "coming" | "ready" | "failed" {
  const rows = servers.filter(({ server }) => server === name);
  const isComing = ({ state, lists_known }: DaemonStatus["servers"][number]) =>
    state === "starting" || state === "not started" && lists_known === false;
  if (rows.some(isComing)) return "coming";
  return rows.some(({ state }) => state === "running" || state === "not started") ? "ready" : "failed";
}

/** Why the tools of a server are not among `tools`: what is wrong with it, as `ps` says it, before what its list says. */
function explain(
  missing: CatalogAnswer["missing"],
  servers: DaemonStatus["servers"],
  tools: readonly CatalogTool[],
): MissingServer[] {
  const whys = new Map(missing.map(({ server, why }) => [server, why]));
  for (const { server, state, cause, advice } of servers) {
    const hasTools = tools.some((tool) => tool.server === server);
    if (cause !== undefined && state !== "disabled" && !hasTools) whys.set(server, `${cause}; ${advice}`);
  }
  return Array.from(whys, ([server, why]) => ({ server, why: visible(why, MAX_ERROR_CHARS) }));
}

function switchedOff(servers: DaemonStatus["servers"]): MissingServer[] {
  return servers.filter(({ state }) => state === "disabled")
    .map(({ server, cause, advice }) => ({ server, why: `server "${server}": ${cause}; ${advice}` }));
}
