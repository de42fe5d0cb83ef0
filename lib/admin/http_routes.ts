import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { ServerTrouble } from "../call/server_trouble.ts";
import { formatFault } from "../config/servers.ts";
import type { ServersChange } from "../config/servers_watch.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Route } from "../edge/http_handler.ts";
import { requestToken } from "../edge/guard.ts";
import { type AccountAdmin, authRoutes } from "./auth_routes.ts";
import type { CallControl, SessionAccess } from "./call_control.ts";
import { callRoutes } from "./call_routes.ts";
import { type HandoverAdmin, handoverRoute } from "./handover_route.ts";
import { allowMethod, ownerOnly } from "./route_guards.ts";
import { serverActionRoutes } from "./server_actions.ts";
import { serverNames, serverRoutes, type ServerRouteSources } from "./server_routes.ts";
import type { Telemetry } from "./telemetry.ts";
import { buildStatus } from "./status.ts";
import type { DaemonStatus } from "./status_rows.ts";
import { type StopRequest, stopRoute } from "./stop_route.ts";
import { allThreads, threadRoutes } from "./thread_routes.ts";
import type { PageSessions } from "../edge/page_sessions.ts";
import type { TokenStore } from "../edge/token.ts";
import type { ListChangeFigures } from "../observe/metrics.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { killUpstream } from "./terminate.ts";
import { watchRoute } from "./watch_route.ts";
import { WatchFeed } from "./watch_feed.ts";
import { type MemoryMeter, residentByPid } from "./watch_memory.ts";

/** What is wrong with entries of `mcp.json`. */
interface EntryTroubles {
  ofEntries(): readonly ServerTrouble[];
  whyUnmounted(name: string): ServerTrouble | undefined;
}

/** What the routes need of the mounted servers. */
interface MountAdmin {
  readonly servers: readonly MountedServer[];
  readonly retiring: Iterable<MountedServer>;
  readonly configured: ServersChange;
  /** Of the processes of servers, with all they have started. */
  readonly usage: MemoryMeter["servers"];
  readonly guardPid: number | undefined;
  readonly programs: ReadonlyMap<number, string>;
  reload(): Promise<ServersChange>;
  readonly troubles: EntryTroubles;
  readonly signIns: AccountAdmin;
}

/** What the routes need of EXAI's own tools. */
interface ToolAdmin {
  readonly threads: ThreadStore;
  readonly userToolNames: readonly string[];
  providers(): readonly ProviderStatus[];
  faults(): readonly string[];
  reload(): Promise<unknown>;
}

/** What the routes need of the settings. */
interface SettingsAdmin {
  faults(): readonly string[];
  notes(): readonly string[];
  reload(): Promise<void>;
}

/** What the routes need of the secrets that the configuration names. */
interface SecretAdmin {
  /** Has programs asked again when their secrets are needed next, and a keychain that gave no key. */
  forget(): void;
  /** Has what a keychain gave no key for read again. */
  askAgain(): void;
}

/** What runs, as the routes see it. */
interface RunningParts {
  telemetry: Telemetry;
  mounts: MountAdmin;
  own: ToolAdmin;
  /** Where the daemon listens, and what is worth knowing of that. */
  address(): { url: string; notes: string[] };
  sessions: SessionAccess;
  calls: CallControl;
  /** How often windows were notified that their lists have changed. */
  listChanges: ListChangeFigures;
}

interface RouteSources extends RunningParts {
  secrets: SecretAdmin;
  paths: Pick<StatePaths, "logs">;
  /** What `GET /watch` tells. */
  watch: WatchFeed;
  /** Undefined where the settings do not change. */
  settings?: SettingsAdmin;
  token: TokenStore;
  /** The pages that are signed in. */
  pages: PageSessions;
  toolsFor: ServerRouteSources["toolsFor"];
  stopRequest: StopRequest;
  handover: HandoverAdmin;
}

const PROMETHEUS = { "content-type": "text/plain; version=0.0.4" };

/** All routes of the daemon's HTTP interface, by path. */
export function httpRoutes(sources: RouteSources): Map<string, Route> {
  const { telemetry } = sources;
  return new Map<string, Route>([
    ["/health", allowMethod("GET", () => Response.json(telemetry.health()))],
    ...ownerOnly(ownerRoutes(sources)),
  ]);
}

/** Routes with data of the owner: threads, calls, sessions, directories, configuration. */
function ownerRoutes(sources: RouteSources): [string, Route][] {
  const { telemetry, mounts, own, secrets, sessions, calls, stopRequest } = sources;
  const routes = callRoutes({ calls, sessions, killUpstream: (id) => killUpstream(id, mounts) });
  const servers: ServerRouteSources = {
    sessions,
    toolsFor: sources.toolsFor,
    servers: () => mounts.servers,
    troubleOf: (name) =>
      mounts.troubles.ofEntries().find(({ server }) => server === name) ?? mounts.troubles.whyUnmounted(name),
    unmounted: () => unmountedNames(mounts.configured),
  };
  return [
    [
      "/metrics",
      allowMethod("GET", async () => {
        const watch = { watchers: sources.watch.watchers, saved: await sources.watch.saved() };
        return new Response(telemetry.prometheusText(watch), { headers: PROMETHEUS });
      }),
    ],
    [
      "/status",
      allowMethod("GET", async () => Response.json(statusOf(sources, residentByPid(await mounts.usage())))),
    ],
    [
      "/watch",
      watchRoute({
        feed: sources.watch,
        logs: sources.paths.logs,
        serverNames: () => serverNames(servers),
      }),
    ],
    ["/reload", allowMethod("POST", () => reload(sources))],
    ["/calls", allowMethod("GET", routes.list)],
    ["/calls/follow", allowMethod("GET", routes.follow)],
    ["/calls/export", allowMethod("GET", routes.export)],
    ["/cancel", allowMethod("POST", routes.cancel)],
    ["/kill", allowMethod("POST", routes.kill)],
    ["/stop", stopRoute(stopRequest, calls)],
    ["/handover", handoverRoute(sources.handover)],
    ...threadRoutes(allThreads(own.threads)),
    ...serverActionRoutes(servers),
    ...serverRoutes(servers),
    ...askingAgain(authRoutes(mounts.signIns), secrets),
    ["/token/rotate", allowMethod("POST", (...asked) => rotateToken(asked, sources))],
  ];
}

/** Whoever signs in or out, or asks with `by=person`, may have unlocked the keychain; a program that looks has not. */
function askingAgain(routes: [string, Route][], secrets: SecretAdmin): [string, Route][] {
  return routes.map(([path, route]) => [path, (request, by) => {
    const isByPerson = new URL(request.url).searchParams.get("by") === "person";
    if (request.method === "POST" || isByPerson) secrets.askAgain();
    return route(request, by);
  }]);
}

function statusOf(
  { mounts, own, sessions, calls: { running }, address, listChanges }: RunningParts,
  memory: ReadonlyMap<number, number>,
): DaemonStatus {
  const { servers, retiring, configured, programs } = mounts;
  return buildStatus({
    address: address(),
    servers,
    retiring,
    configured,
    sessions,
    memory,
    programs,
    running,
    providers: own.providers(),
    listChanges,
  });
}

/** What `GET /watch` tells of a daemon. */
export function watchFeed(parts: RunningParts, processes: MemoryMeter["processes"]): WatchFeed {
  const { telemetry, mounts, calls } = parts;
  return new WatchFeed({
    hello: () => ({
      type: "hello",
      version: VERSION,
      pid: Deno.pid,
      started_at: telemetry.startedAt.toISOString(),
      address: parts.address(),
      at_ms: Math.round(performance.now()),
    }),
    status: (memory) => statusOf(parts, memory),
    health: () => telemetry.watched(),
    calls,
    meter: { servers: mounts.usage, processes, own: () => [Deno.pid, ...[mounts.guardPid ?? []].flat()] },
  });
}

function unmountedNames({ disabled, faulty }: ServersChange): string[] {
  return [...disabled, ...faulty.map(({ name }) => name)];
}

/** Reads the configuration of settings, servers and tools again. */
async function reload({ mounts, own, settings, secrets }: RouteSources): Promise<Response> {
  secrets.forget();
  await settings?.reload();
  const [change] = await Promise.all([mounts.reload(), own.reload()]);
  const { added, changed, removed, unchanged } = change;
  const warnings = [...change.warnings.map(formatFault), ...settings?.notes() ?? []];
  const faults = [...settings?.faults() ?? [], ...change.faults.map(formatFault), ...own.faults()];
  return Response.json({ added, changed, removed, unchanged, tools: own.userToolNames, warnings, faults });
}

/** Rotates the token. Requires the current one: a replaced token in its grace period only opens connections. */
async function rotateToken(
  [request, { page }]: Parameters<Route>,
  { token, pages }: RouteSources,
): Promise<Response> {
  // The session of a page is one under the current token.
  const presented = page ? token.current : requestToken(request) ?? "";
  if (await token.rotateGenerated(presented)) {
    // The rotation has ended every page's session: the one that has asked for it begins another.
    const session = page ? { page_session: pages.begin() } : {};
    return Response.json({ ok: true, grace_s: token.graceMs / SECOND_MS, ...session });
  }
  throw new ExaiError("UNAUTHORIZED", "the token is not the current one");
}
