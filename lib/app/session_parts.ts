import type { Target } from "../call/call.ts";
import type { Settings } from "../config/settings.ts";
import type { RoundTrips } from "../round_trips/round_trips.ts";
import type { Router } from "../router/router.ts";
import type { AttachHooks } from "../session/hello.ts";
import type { WatchTasks } from "../session/honoured_listen.ts";
import { ImplicitSessions } from "../session/implicit_sessions.ts";
import { ModernPeer } from "../session/modern_peer.ts";
import { ModernTenants } from "../session/modern_tenants.ts";
import type { RegistryOptions } from "../session/registry.ts";
import type { Session } from "../session/session.ts";
import { SERVER_INFO } from "../wire/merged_catalog.ts";
import type { CallTimeouts } from "./call_timeouts.ts";
import type { DaemonEvents } from "./daemon_events.ts";

export { SERVER_INFO };

/** Requests of a session that need no permit, in addition to those that run and wait for one. */
const SPARE_REQUESTS = 256;

/** What sessions may take, by the settings. */
export function registryLimits(
  { resumeWindowMs, sessionIdleMs, maxFrameBytes, sessionMaxInflight, queueMax }: Settings,
): Pick<RegistryOptions, "resumeWindowMs" | "idleMs" | "maxFrameBytes" | "maxRunning"> {
  return {
    resumeWindowMs,
    idleMs: sessionIdleMs,
    maxFrameBytes,
    maxRunning: sessionMaxInflight + queueMax + SPARE_REQUESTS,
  };
}

/** Makes what answers the requests of the modern era on a session, whatever door it came through. */
export function modernPeers(
  target: Target,
  { events, roundTrips, tasks }: {
    events: DaemonEvents;
    roundTrips: RoundTrips;
    tasks: CallTimeouts["tasks"];
  },
): (session: Session) => ModernPeer {
  events.on("callerEnded", (caller) => roundTrips.forget(caller));
  const watchTasks: WatchTasks = (...asked) => tasks.watch(...asked);
  return (session) => {
    const tenants = new ModernTenants(session, (tenant) => events.emit("callerEnded", tenant));
    return new ModernPeer(session, tenants, { target, roundTrips, serverInfo: SERVER_INFO, watchTasks });
  };
}

/** The sessions of HTTP clients that send none. */
export function implicitSessions(
  { registry, modernPeer }: Pick<AttachHooks, "registry" | "modernPeer">,
  { tools }: Pick<Router, "tools">,
  { maxConnections }: Settings,
): ImplicitSessions {
  return new ImplicitSessions({
    registry,
    modernPeer: modernPeer!,
    toolNamed: (caller, name) => tools.toolNamed(caller, name),
    maxSessions: maxConnections,
  });
}
