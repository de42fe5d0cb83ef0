import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { formatFault } from "../config/servers.ts";
import type { ServersChange } from "../config/servers_watch.ts";
import type { Route } from "../edge/http_handler.ts";
import { shownToken } from "../edge/guard.ts";
import type { CallControl, Sessions } from "./call_control.ts";
import { callRoutes } from "./call_routes.ts";
import { only, ownersOnly } from "./route.ts";
import type { Observation } from "./observation.ts";
import { buildStatus } from "./status.ts";
import { allThreads, threadRoutes } from "./thread_routes.ts";
import type { TokenKeeper } from "../edge/token.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { killUpstream } from "./upstream_kill.ts";

/** The mounted servers, as far as the routes show and change them. */
interface AdminMounts {
  readonly servers: readonly MountedServer[];
  readonly retiring: Iterable<MountedServer>;
  memory(): Promise<ReadonlyMap<number, number>>;
  reload(): Promise<ServersChange>;
}

/** EXAI's own tools, as far as the routes show and change them. */
interface AdminTools {
  readonly threads: ThreadStore;
  readonly userToolNames: readonly string[];
  providers(): readonly ProviderStatus[];
  faults(): readonly string[];
  reload(): Promise<unknown>;
}

interface RouteSources {
  observation: Observation;
  mounts: AdminMounts;
  own: AdminTools;
  token: TokenKeeper;
  sessions: Sessions;
  desk: CallControl;
}

const PROMETHEUS = { "content-type": "text/plain; version=0.0.4" };

/** What the daemon shows and takes over plain HTTP, by path. */
export function httpRoutes(sources: RouteSources): Map<string, Route> {
  const { observation } = sources;
  return new Map<string, Route>([
    ["/health", only("GET", () => Response.json(observation.health()))],
    ...ownersOnly(ownersRoutes(sources)),
  ]);
}

/** What shows or changes the owner's threads, calls, sessions and configuration; `ps` shows directories too. */
function ownersRoutes(
  { observation, mounts, own, token, sessions, desk }: RouteSources,
): [string, Route][] {
  const calls = callRoutes({ desk, sessions, killUpstream: (id) => killUpstream(id, mounts) });
  return [
    ["/metrics", only("GET", () => new Response(observation.exposition(), { headers: PROMETHEUS }))],
    [
      "/status",
      only("GET", async () => {
        const memory = await mounts.memory();
        const providers = own.providers();
        const { running } = desk;
        const { servers, retiring } = mounts;
        return Response.json(buildStatus({ servers, retiring, sessions, memory, running, providers }));
      }),
    ],
    [
      "/reload",
      only("POST", async () => {
        const [change] = await Promise.all([mounts.reload(), own.reload()]);
        const { added, changed, removed, unchanged } = change;
        const warnings = change.warnings.map(formatFault);
        const faults = [...change.faults.map(formatFault), ...own.faults()];
        return Response.json({
          added,
          changed,
          removed,
          unchanged,
          tools: own.userToolNames,
          warnings,
          faults,
        });
      }),
    ],
    ["/calls", only("GET", calls.list)],
    ["/calls/follow", only("GET", calls.follow)],
    ["/cancel", only("POST", calls.cancel)],
    ["/kill", only("POST", calls.kill)],
    ...threadRoutes(allThreads(own.threads)),
    ["/token/rotate", only("POST", (request) => rotateToken(request, token))],
  ];
}

/** Only who shows the token in force may replace it: one that was replaced opens connections, and no more. */
async function rotateToken(request: Request, token: TokenKeeper): Promise<Response> {
  if (await token.rotateFile(shownToken(request) ?? "")) {
    return Response.json({ ok: true, grace_s: token.graceMs / SECOND_MS });
  }
  throw new ExaiError("UNAUTHORIZED", "the token shown is no longer the one in force");
}
