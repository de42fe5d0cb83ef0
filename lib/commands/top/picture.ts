import { describeSaved } from "../../admin/saved_text.ts";
import { stateInWords } from "../../admin/state_words.ts";
import type { ServerStatus } from "../../admin/status_rows.ts";
import type { SampleEvent } from "../../admin/watch_event.ts";
import { counted } from "../../base/text.ts";
import { formatBytes, SECOND_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { formatLocalTime } from "../table.ts";
import { wrap } from "../wrap.ts";
import { drawMatrix, isWrong, nameOf } from "./matrix.ts";
import { breakLine, fit, formatAge, type Paint } from "./paint.ts";
import { drawPane } from "./panes.ts";
import { type Selected, selectedOf, shownOf, type View } from "./view.ts";
import type { TopState } from "./top_state.ts";

/** Smaller than this there is no picture. */
const MIN_COLUMNS = 40;
const MIN_ROWS = 10;

/** A stream that says nothing for this long, where it has something every two seconds, is stuck. */
const SILENT_MS = 7 * SECOND_MS;

/** Fewer rows than this do without the lines of figures. */
const ROWS_FOR_FIGURES = 18;

/** How it stands with the daemon, by the clock of this program. */
export interface Contact {
  /** When the last line came. */
  heardAtMs: number;
  /** Why there is no stream now, and when it is tried again. */
  lost?: { why: string; retryAtMs: number };
}

export interface PictureInput {
  watched: TopState;
  view: View;
  contact: Contact;
  paint: Paint;
  columns: number;
  rows: number;
  nowMs: number;
}

/** The whole screen: exactly `rows` lines, each of `columns` columns. */
export function drawPicture(input: PictureInput): string[] {
  const { view, columns, rows, paint } = input;
  if (columns < MIN_COLUMNS || rows < MIN_ROWS) {
    const said = [`top needs ${MIN_COLUMNS} x ${MIN_ROWS},`, `this is ${columns} x ${rows}`, "q ends it"];
    return Array.from({ length: rows }, (_, i) => fit(said[i] ?? "", columns));
  }
  if (view.page) return drawPage(input, view.page);
  const shown = shownOf(input.watched, view);
  const selected = selectedOf(shown, view);
  const head = headOf(input);
  const room = rows - head.length - 4;
  const matrixRows = Math.min(shown.servers.length + 1, Math.max(4, Math.floor(room * 0.55)));
  const isFocused = view.focus === "matrix";
  const matrix = drawMatrix({ ...input, shown, selected, isFocused, rows: Math.max(2, matrixRows) });
  const details = detailsOf(input, selected).map((line) => fit(line, columns));
  const paneRows = rows - head.length - matrix.length - details.length - 1;
  const pane = drawPane({ ...input, shown, selected, rows: paneRows });
  const above = [...head, ...matrix, ...paintDetails(details, { selected, paint }), ...pane];
  const foot = footOf(input);
  return [...above.slice(0, rows - foot.length), ...foot];
}

function headOf(input: PictureInput): string[] {
  const { columns, rows, paint, watched: { hello, sample } } = input;
  const trouble = contactTrouble(input);
  const title = hello === undefined
    ? "exai"
    : `exai ${hello.version}, process ${hello.pid}, ${hello.address.url}, ` +
      `since ${formatLocalTime(hello.started_at, "minute")}`;
  const first = trouble === undefined
    ? paint(fit(title, columns), "bold")
    : paint(fit(trouble, columns), "red");
  if (rows < ROWS_FOR_FIGURES) return [first];
  if (sample === undefined) {
    return [first, fit("the first figures come in a moment", columns), fit("", columns)];
  }
  return [first, fit(loadOf(sample), columns), fit(memoryOf(sample), columns)];
}

/** What is wrong with the connection; undefined: nothing. What is shown is then as old as this says. */
function contactTrouble({ contact: { heardAtMs, lost }, nowMs }: PictureInput): string | undefined {
  const ageMs = nowMs - heardAtMs;
  const age = `all below is ${formatAge(ageMs)} old`;
  if (lost) {
    const retry = Math.max(0, Math.ceil((lost.retryAtMs - nowMs) / SECOND_MS));
    return `! no daemon, ${age}, tried again in ${retry} s: ${lost.why}`;
  }
  return ageMs > SILENT_MS ? `! the daemon says nothing, ${age}` : undefined;
}

function loadOf(sample: SampleEvent): string {
  const perSecond = sample.calls / Math.max(1, sample.interval_ms) * SECOND_MS;
  const latency = sample.p50_ms === undefined
    ? ""
    : `  p50 ${formatAge(sample.p50_ms)}  p95 ${formatAge(sample.p95_ms ?? sample.p50_ms)}`;
  const failed = sample.failed > 0 ? `  failed ${sample.failed}` : "";
  return `calls ${
    perSecond.toFixed(1)
  }/s${latency}${failed}  running ${sample.inflight}  waiting ${sample.queued}`;
}

/** The last of it is what a narrow terminal can do without. */
function memoryOf({ memory, saved, windows }: SampleEvent): string {
  const { shims_measured: measured } = memory;
  const some = measured !== undefined && measured < windows ? ` (${measured} of ${windows})` : "";
  const note = saved.note === undefined ? "" : `  ${saved.note}`;
  return `daemon ${formatKnown(memory.daemon)}  servers ${formatKnown(memory.servers)}  ` +
    `shims ${formatKnown(memory.shims)}${some}  saved ${describeSaved(saved) ?? "not known"}${note}`;
}

const formatKnown = (bytes: number | undefined) => bytes === undefined ? "?" : formatBytes(bytes);

/** What is known of the selected server, and of the selected window, in a line each. */
function detailsOf({ watched }: PictureInput, { server, window }: Selected): [string, string] {
  const ofServer = server === undefined ? "" : serverLine(server[1]);
  if (window === undefined) return [ofServer, ""];
  const client = [window.client ?? "unknown client", window.client_version].filter(Boolean).join(" ");
  const name = window.window === undefined ? "" : `, ${window.window}`;
  const gone = window.connected ? "" : ", not connected";
  const calls = `${counted(window.calls, "call")}, ${window.inflight} running`;
  return [
    ofServer,
    `window ${watched.numberOf(window.session)}: ${client}${name}${gone}, ${calls}, ${
      window.cwd ?? "no directory"
    }`,
  ];
}

function serverLine(row: ServerStatus): string {
  const trouble = row.cause ?? row.last_error;
  if (trouble !== undefined) {
    const place = row.directory === undefined ? "" : ` in ${row.directory}`;
    return `${nameOf(row)}: ${stateInWords(row)}${place}: ${trouble}${
      row.advice === undefined ? "" : `; ${row.advice}`
    }`;
  }
  const parts = [
    row.scope === undefined
      ? undefined
      : `shared by ${row.scope} with ${counted(row.sessions.length, "window")}`,
    row.why,
    row.pid === undefined ? undefined : `process ${row.pid}`,
    `${counted(row.calls, "call")}`,
    row.directory,
  ];
  return `${nameOf(row)}: ${stateInWords(row)}, ${parts.filter((part) => part !== undefined).join(", ")}`;
}

function paintDetails(
  [ofServer = "", ofWindow = ""]: readonly string[],
  { selected: { server }, paint }: { selected: Selected; paint: Paint },
): string[] {
  return [
    server && isWrong(server[1]) ? paint(ofServer, "red") : paint(ofServer, "dim"),
    paint(ofWindow, "dim"),
  ];
}

/** Lines of a question or a message, and letters of the longest; any question has room in so many of 40 columns. */
const MAX_FOOT = 6;
const MAX_SAID = 1000;

const KEYS = "q quit  ? help  / filter  Tab list  r restart  p park  s stop  c cancel";

/** A question, and what became of it, is seen whole: over what is above it where a line is too short. */
function footOf({ view, columns, paint }: PictureInput): string[] {
  const whole = (text: string, format: "inverse" | "bold") =>
    wrap(visible(text, MAX_SAID), columns).flatMap((line) => breakLine(line, columns)).slice(0, MAX_FOOT)
      .map((line) => paint(fit(line, columns), format));
  if (view.order) return whole(`${view.order.question} y/n`, "inverse");
  if (view.isTyping) return [fit(`/${view.filter}_`, columns)];
  if (view.message !== undefined) return whole(view.message, "bold");
  const filter = view.filter === "" ? "" : `filter ${view.filter} (Esc ends it)  `;
  return [paint(fit(filter + KEYS, columns), "dim")];
}

function drawPage(
  { columns, rows, paint }: PictureInput,
  { title, lines, top }: NonNullable<View["page"]>,
): string[] {
  const room = rows - 2;
  const from = Math.max(0, Math.min(top, lines.length - room));
  const body = Array.from({ length: room }, (_, i) => fit(lines[from + i] ?? "", columns));
  const more = lines.length > room
    ? `  lines ${from + 1} to ${Math.min(lines.length, from + room)} of ${lines.length}`
    : "";
  return [
    paint(fit(title, columns), "bold"),
    ...body,
    paint(fit(`Esc or q back  arrows scroll${more}`, columns), "dim"),
  ];
}
