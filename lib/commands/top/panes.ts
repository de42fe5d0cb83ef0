import { formatBytes } from "../../base/units.ts";
import type { KnownCall } from "../../admin/known_state.ts";
import type { SessionStatus } from "../../admin/status_rows.ts";
import { fit, fitRight, formatAge, type Paint, windowOf } from "./paint.ts";
import { PANES, type Selected, type Shown, type View } from "./view.ts";
import type { TopState } from "./top_state.ts";

interface PaneInput {
  watched: TopState;
  view: View;
  shown: Shown;
  selected: Selected;
  paint: Paint;
  columns: number;
  rows: number;
}

/** The list below the matrix, with the names of all lists above it: exactly `rows` lines. */
export function drawPane(input: PaneInput): string[] {
  const { view, columns, rows, paint } = input;
  if (rows <= 0) return [];
  const tabs = PANES.map((name, i) => name === view.pane ? `[${i + 1} ${name}]` : ` ${i + 1} ${name} `).join(
    " ",
  );
  const marker = view.focus === "pane" ? ">" : " ";
  const title = fit(`${marker} ${tabs}  ${titleOf(input)}`, columns);
  const lines = linesOf(input, rows - 1);
  return [
    paint(title, view.focus === "pane" ? "inverse" : "bold"),
    ...Array.from({ length: rows - 1 }, (_, i) => lines[i] ?? fit("", columns)),
  ];
}

function titleOf({ view, watched, shown }: PaneInput): string {
  switch (view.pane) {
    case "calls":
      return `${shown.calls.filter(({ isRunning }) => isRunning).length} running` +
        (watched.leftOut > 0 ? `, ${watched.leftOut} ended unseen` : "");
    case "windows":
      return `${shown.windows.length} open`;
    case "faults":
      return `${watched.faults.length} faults`;
    case "log":
      return watched.log?.name ?? "";
  }
}

function linesOf(input: PaneInput, room: number): string[] {
  switch (input.view.pane) {
    case "calls":
      return callLines(input, room);
    case "windows":
      return windowLines(input, room);
    case "faults":
      return scrolled(faultLines(input.watched), { ...input, room });
    case "log":
      return logLines(input, room);
  }
}

function callLines(input: PaneInput, room: number): string[] {
  const { shown: { calls }, selected, columns } = input;
  if (calls.length === 0) return [fit("  no call since this was opened, or none matches", columns)];
  const at = calls.findIndex(({ id }) => id === selected.call?.id);
  const [from, to] = windowOf(calls.length, { selected: at, room });
  return calls.slice(from, to).map((call) => callLine(call, input));
}

/** How a call stands, its time, where it is and what it says; the last is cut where the terminal is narrow. */
function callLine(call: KnownCall, { watched, selected, columns, paint }: PaneInput): string {
  const { row, isRunning, id } = call;
  const tookMs = watched.tookMs(call);
  const number = watched.numberOf(String(row.session));
  const said = row.waits_for === undefined ? row.message ?? "" : `waits for ${row.waits_for}`;
  const outcome = isRunning && row.waits_for !== undefined ? "waiting" : String(row.outcome);
  const text = [
    `${id === selected.call?.id ? ">" : " "} ${fit(id, 9)}`,
    fit(outcome, 11),
    fitRight(tookMs === undefined ? "?" : formatAge(tookMs), 7),
    fitRight(number === 0 ? "-" : String(number), 3),
    fit(`${row.server === undefined ? "" : `${row.server} `}${row.tool ?? row.method ?? ""}`, 26),
    String(said),
  ].join(" ");
  const line = fit(text, columns);
  if (isRunning) return row.waits_for === undefined ? paint(line, "green") : paint(line, "yellow");
  return row.outcome === "ok" ? line : paint(line, "red");
}

function windowLines({ watched, shown: { windows }, selected, columns }: PaneInput, room: number): string[] {
  if (windows.length === 0) return [fit("  no window is open, or none matches", columns)];
  const at = windows.findIndex(({ session }) => session === selected.window?.session);
  const [from, to] = windowOf(windows.length, { selected: at, room });
  const lineOf = (row: SessionStatus) => {
    const text = [
      `${row.session === selected.window?.session ? ">" : " "} ${
        fitRight(String(watched.numberOf(row.session)), 3)
      }`,
      fit(row.client ?? "unknown client", 18),
      fit(row.connected ? row.window ?? "-" : "not connected", 13),
      fitRight(`${row.inflight}/${row.calls}`, 8),
      fitRight(formatBytes(row.bytes_in + row.bytes_out), 10),
      fit(row.cwd ?? "-", Math.max(8, columns - 62)),
    ];
    return fit(text.join(" "), columns);
  };
  return windows.slice(from, to).map(lineOf);
}

/** What is wrong, what is noted, and how often lists changed, which costs clients their prompt caches. */
export function faultLines({ faults, notes, sample }: TopState): string[] {
  const changes = (sample?.list_changes ?? []).map(({ cause, server, count, last_at }) =>
    `lists changed ${count} x: ${cause}${server === undefined ? "" : ` of ${server}`}, last ${last_at}`
  );
  const lines = [
    ...faults.map((fault) => `! ${fault}`),
    ...notes,
    ...changes,
  ];
  return lines.length > 0 ? lines : ["nothing is wrong, and no lists have changed"];
}

/** The last lines, or those the user has gone back to. */
function logLines(input: PaneInput, room: number): string[] {
  const { watched: { log }, view, columns } = input;
  if (log === undefined) {
    return [fit("  l shows the log of the selected server, d that of the daemon", columns)];
  }
  if (log.lines.length === 0) return [fit(`  ${log.why ?? "nothing was written yet"}`, columns)];
  const below = Math.min(view.scrolled, Math.max(0, log.lines.length - room));
  const end = log.lines.length - below;
  return log.lines.slice(Math.max(0, end - room), end).map((line) => fit(`  ${line}`, columns));
}

function scrolled(lines: readonly string[], { view, columns, room }: PaneInput & { room: number }): string[] {
  const from = Math.min(view.scrolled, Math.max(0, lines.length - room));
  return lines.slice(from, from + room).map((line) => fit(`  ${line}`, columns));
}
