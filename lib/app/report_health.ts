import type { ByteBudget } from "../base/byte_budget.ts";
import type { HttpHandler } from "../edge/http_handler.ts";
import type { ListChangeFigures } from "../observe/metrics.ts";
import type { SessionRegistry } from "../session/registry.ts";
import { countWindows } from "../session/window_group.ts";
import type { DaemonOptions, DaemonParts } from "./daemon_parts.ts";
import { memoryFault, memoryHeld } from "./memory_budget.ts";

/** What the health report shows of a daemon beside its parts. */
interface ReportedParts {
  budget: ByteBudget;
  listChanges: ListChangeFigures;
  handler: HttpHandler;
  sessions: SessionRegistry;
  toolCount(): number;
}

/** Registers what the health report shows: faults, notes and counts of every part. */
export function reportHealth(
  options: DaemonOptions,
  parts: DaemonParts,
  { budget, listChanges, handler, sessions, toolCount }: ReportedParts,
): void {
  const {
    telemetry,
    admissions,
    mounts,
    own,
    lock,
    journal,
    tasks,
    usedStates,
    handles,
    notes,
    listeners,
    live,
  } = parts;
  telemetry.register({ faults: () => mounts.faults(), notes: () => mounts.signIns.notes() });
  telemetry.register({ faults: () => live?.faults() ?? [], notes: () => live?.notes() ?? [] });
  telemetry.register({
    faults: () => own.faults(),
    notes: () => own.notes(),
    counts: () => ({ tools: toolCount() }),
  });
  telemetry.register({ faults: () => options.faults?.() ?? [], notes: () => options.notes?.() ?? [] });
  telemetry.register({
    faults: () => listeners.faults(),
    notes: () => [...listeners.notes, ...notes.list],
  });
  telemetry.register({
    faults: () => [journal, tasks, usedStates, lock].flatMap((part) => part?.fault ?? []),
  });
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
  telemetry.register({
    faults: () => [memoryFault(budget) ?? []].flat(),
    counts: () => ({ held: memoryHeld(budget), listChanges }),
  });
}
