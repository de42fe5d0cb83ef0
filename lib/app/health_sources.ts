import type { HttpHandler } from "../edge/http_handler.ts";
import type { SessionRegistry } from "../session/registry.ts";
import { countWindows } from "../session/window_group.ts";
import type { DaemonOptions, DaemonParts } from "./daemon_parts.ts";

/** The parts of a daemon that are made from its {@linkcode DaemonParts}. */
interface DaemonCore {
  options: DaemonOptions;
  sessions: SessionRegistry;
  handler: HttpHandler;
  own: { readonly toolCount: number };
}

/** Has every part of a daemon contribute to its health report. */
export function registerHealth(parts: DaemonParts, { options, sessions, handler, own }: DaemonCore): void {
  const { telemetry, admissions, mounts, lock, journal, handles, notes, listeners } = parts;
  telemetry.register({ faults: () => mounts.faults() });
  telemetry.register({ faults: () => parts.own.faults(), counts: () => ({ tools: own.toolCount }) });
  telemetry.register({ faults: () => options.faults?.() ?? [], notes: () => options.notes?.() ?? [] });
  telemetry.register({
    faults: () => listeners.faults(),
    notes: () => [...listeners.notes, ...notes.list],
  });
  telemetry.register({ faults: () => [journal?.fault ?? [], lock.fault ?? []].flat() });
  telemetry.register({
    faults: () => [handles.fault ?? []].flat(),
    counts: () => ({
      sessions: sessions.size,
      windows: countWindows(sessions),
      connections: handler.connections,
      pending: handler.pending,
      refused: handler.refusals,
      inflight: admissions.permits.held,
      queued: admissions.waiting,
      handles: handles.state,
    }),
  });
}
