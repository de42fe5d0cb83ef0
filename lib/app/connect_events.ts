import type { Router } from "../router/router.ts";
import type { SessionRegistry } from "../session/registry.ts";
import type { CallTimeouts } from "./call_timeouts.ts";
import type { DaemonParts } from "./daemon_parts.ts";
import type { ServerNotices } from "./server_notices.ts";
import { announceServers, announceToolSets } from "./shown_tools.ts";

/** The parts of a daemon that are made of others, and react to them. */
interface ReactingParts {
  router: Router;
  sessions: SessionRegistry;
  timeouts: CallTimeouts;
  notices: ServerNotices;
}

/** Connects the parts that react to events of others. */
export function connectEvents(
  { events, telemetry, mounts, notes, clock }: DaemonParts,
  { router, sessions, timeouts, notices }: ReactingParts,
): void {
  events.on("healthChanged", () => telemetry.healthChanged());
  events.on("modelsChanged", () => telemetry.healthChanged());
  events.on("listsChanged", () => router.invalidate());
  events.on("serversChanged", (names) => {
    router.invalidate();
    announceServers(sessions.callers(), names);
  });
  events.on("toolSetsChanged", (change) => announceToolSets(sessions.callers(), change));
  events.on("processEvent", (...event) => notices.processEvent(...event));
  events.on(
    "configurationRead",
    () => notices.entriesChanged(new Set(mounts.configured.servers.keys())),
  );
  events.on("callerEnded", (caller) => {
    router.detach(caller);
    mounts.detach(caller);
  });
  events.on("sessionEnded", (session) => {
    events.emit("callerEnded", session);
    timeouts.forget(session);
    telemetry.healthChanged();
  });
  clock.on("gap", (gap) => {
    notes.addClockGap(gap);
    // Clients could not send anything meanwhile.
    if (gap.sleptMs > 0 || gap.stoppedMs > 0) sessions.touchAll();
  });
}
