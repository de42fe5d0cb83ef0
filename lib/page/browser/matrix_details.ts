import type { ComponentChildren, VNode } from "preact";
import { stateInWords, toneOf } from "../../admin/state_words.ts";
import { counted } from "../../base/text.ts";
import { formatBytes } from "../../base/units.ts";
import { Facts, html } from "./elements.ts";
import { clientName, formatCount, formatTime } from "./format.ts";
import { SIGNS } from "./matrix_cells.ts";
import type { ServerLine, ShownProcess, WindowColumn } from "./matrix_model.ts";
import { usePage } from "./page.ts";
import { endSession, parkServer, restartServer, stopServer } from "./requests.ts";
import { RunningCalls } from "./running_calls.ts";

interface MatrixDetailsProps {
  line: ServerLine;
  /** The window of the cell that is chosen, if it is one. */
  column: WindowColumn | undefined;
  columns: readonly WindowColumn[];
}

/** The server that is chosen, its processes with who shares them and why, and the window. */
export function MatrixDetails({ line, column, columns }: MatrixDetailsProps): VNode {
  const { showLog } = usePage();
  const here = column && line.byColumn.get(column.key);
  const chosen = here && here.length > 0 ? here : line.processes;
  const isSome = chosen.length < line.processes.length;
  return html`
    <section class="details" aria-labelledby="details-title">
      <h2 id="details-title">${line.name}</h2>
      <${ServerActions} name=${line.name} runs=${line.processes.some(isRunning)} />
      <button type="button" class="link" onClick=${() => showLog(line.name)}>Show its log</button>
      ${isSome
        ? html`<p class="quiet">${chosen.length} of ${
          counted(line.processes.length, "process")
        }, used by this window</p>`
        : undefined}
      ${chosen.slice(0, MAX_SHOWN).map((process) =>
        html`<${ProcessFacts} key=${process.key} process=${process} columns=${columns} />`
      )}
      ${chosen.length > MAX_SHOWN
        ? html`<p class="quiet">${counted(chosen.length - MAX_SHOWN, "more process")}: choose a window</p>`
        : undefined}
      <${RunningCalls} server=${line.name} sessions=${column?.sessions.map(({ session }) => session)} />
      ${column ? html`<${WindowFacts} column=${column} />` : undefined}
    </section>
  `;
}

/** Processes of one server that are shown in full. */
const MAX_SHOWN = 20;

const ACTIONS = [["Restart", restartServer], ["Park", parkServer], ["Stop", stopServer]] as const;

interface ServerActionsProps {
  name: string;
  /** One process of several. */
  shareKey?: string;
  /** What does not run can only be started. */
  runs: boolean;
}

function ServerActions({ name, shareKey, runs }: ServerActionsProps): VNode {
  const { act } = usePage();
  const of = shareKey === undefined ? name : `this process of ${name}`;
  return html`
    <p class="actions">
      ${ACTIONS.slice(0, runs ? undefined : 1).map((
        [word, make],
      ) =>
        html`<button type="button" key=${word} aria-label=${`${word} ${of}`} onClick=${() =>
          act(make(name, shareKey))}>${word}</button>`
      )}
    </p>
  `;
}

function ProcessFacts(
  { process, columns }: { process: ShownProcess; columns: readonly WindowColumn[] },
): VNode {
  const { number, row } = process;
  const tone = toneOf(row);
  const users = columns.filter(({ sessions }) =>
    sessions.some(({ session }) => row.sessions.includes(session))
  );
  return html`
    <div class="process">
      <h3>
        <span class=${`sign ${tone}`} aria-hidden="true">${SIGNS[tone]}</span>
        ${isRunning(process) ? ` ${number}:` : ""} ${stateInWords(row)}${row.pid === undefined
          ? ""
          : `, process ${row.pid}`}
      </h3>
      ${row.cause ? html`<p class="cause">${row.cause}</p>` : undefined}
      ${row.advice ? html`<p class="advice">${row.advice}</p>` : undefined}
      <${Facts} rows=${factsOf(process, users)} />
      ${isRunning(process) && row.share_key !== undefined
        ? html`<${ServerActions} name=${row.server} shareKey=${row.share_key} runs />`
        : undefined}
    </div>
  `;
}

/** Whether there is a process, or a connection in its place. */
function isRunning({ row }: ShownProcess): boolean {
  return row.pid !== undefined || row.started_at !== undefined ||
    row.state === "running" || row.state === "starting";
}

function factsOf({ row }: ShownProcess, users: readonly WindowColumn[]): [string, ComponentChildren][] {
  const { breaker, refused_questions: refused } = row;
  return [
    ["Shared by", row.scope],
    ["Because", row.why],
    ["Used by", namesOf(users)],
    ["Memory", row.memory_bytes && formatBytes(row.memory_bytes)],
    [
      "Calls",
      `${formatCount(row.calls)}, ${row.inflight} running${row.queued > 0 ? `, ${row.queued} waiting` : ""}`,
    ],
    ["Connection", row.connection],
    ["Stream", row.listening],
    ["Since", row.started_at === undefined ? undefined : formatTime(row.started_at)],
    ["Runs", row.runs],
    ["Directory", row.directory],
    ["Account", row.account],
    ["Asks for", row.asks?.join(", ")],
    ["Questions refused", refused && `${refused.count}, the last ${refused.last_method}`],
    ["Failures in a row", row.failures],
    ["Last error", row.last_error === row.cause ? undefined : row.last_error],
    ["Next try", row.retry_at && formatTime(row.retry_at)],
    ["Breaker", breaker === undefined || breaker.state === "closed" ? undefined : String(breaker.state)],
    ["Faults of its lists", row.list_faults?.join("; ")],
    ["Lists", row.lists_known === undefined ? undefined : row.lists_known ? "known" : "not known yet"],
  ];
}

function namesOf(users: readonly WindowColumn[]): string {
  const names = users.slice(0, 12).map(({ label, detail }) => `${label} (${detail})`);
  const more = users.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The sessions of a window, each with a way to end it. */
export function WindowFacts({ column }: { column: WindowColumn }): VNode {
  const { act } = usePage();
  return html`
    <h2>${column.label}</h2>
    ${column.sessions.map((session) =>
      html`
        <div class="process" key=${session.session}>
          <${Facts} rows=${[
            ["Session", session.session],
            ["Client", `${clientName(session.client)} ${session.client_version ?? ""}`],
            ["MCP", session.revision],
            ["Directory", session.cwd],
            ["Connected", session.connected ? "yes" : "no: its calls go on, and their answers are kept"],
            ["Server", session.server],
            ["Since", formatTime(session.started_at)],
            ["Calls", `${formatCount(session.calls)}, ${session.inflight} running`],
            ["Sent and received", `${formatBytes(session.bytes_out)}, ${formatBytes(session.bytes_in)}`],
          ]} />
          <p class="actions"><button type="button" onClick=${() =>
            act(endSession(session.session, column.label))}>End this session</button></p>
        </div>
      `
    )}
  `;
}
