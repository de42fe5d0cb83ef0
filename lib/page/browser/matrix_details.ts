import type { ComponentChildren, VNode } from "preact";
import { Facts, html } from "./elements.ts";
import { formatCount, formatMemory, formatTime, plural } from "./format.ts";
import { SIGNS } from "./matrix_cells.ts";
import { type ServerLine, type ShownProcess, toneOf, type WindowColumn } from "./matrix_model.ts";
import { usePage } from "./page.ts";
import { endSession, parkServer, restartServer, stopServer } from "./requests.ts";
import { RunningCalls } from "./running_calls.ts";

interface MatrixDetailsProps {
  line: ServerLine;
  /** The window of the cell that is chosen, if it is one. */
  column: WindowColumn | undefined;
  columns: WindowColumn[];
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
      <${ServerActions} name=${line.name} />
      <button type="button" class="link" onClick=${() => showLog(line.name)}>Show its log</button>
      ${isSome
        ? html`<p class="quiet">${chosen.length} of ${
          plural(line.processes.length, "process")
        }, used by this window</p>`
        : undefined}
      ${chosen.slice(0, MAX_SHOWN).map((process) =>
        html`<${ProcessFacts} key=${process.key} process=${process} columns=${columns} />`
      )}
      ${chosen.length > MAX_SHOWN
        ? html`<p class="quiet">${plural(chosen.length - MAX_SHOWN, "more process")}: choose a window</p>`
        : undefined}
      <${RunningCalls} server=${line.name} sessions=${column?.sessions.map(({ session }) => session)} />
      ${column ? html`<${WindowFacts} column=${column} />` : undefined}
    </section>
  `;
}

/** Processes of one server that are shown in full. */
const MAX_SHOWN = 20;

function ServerActions({ name, shareKey }: { name: string; shareKey?: string }): VNode {
  const { act } = usePage();
  const of = shareKey === undefined ? name : `this process of ${name}`;
  return html`
    <p class="actions">
      ${([["Restart", restartServer], ["Park", parkServer], ["Stop", stopServer]] as const).map((
        [word, make],
      ) =>
        html`<button type="button" key=${word} aria-label=${`${word} ${of}`} onClick=${() =>
          act(make(name, shareKey))}>${word}</button>`
      )}
    </p>
  `;
}

function ProcessFacts({ process, columns }: { process: ShownProcess; columns: WindowColumn[] }): VNode {
  const { number, row } = process;
  const tone = toneOf(row);
  const users = columns.filter(({ sessions }) =>
    sessions.some(({ session }) => row.sessions.includes(session))
  );
  const isProcess = row.pid !== undefined || row.started_at !== undefined || row.state === "starting";
  return html`
    <div class="process">
      <h3>
        <span class=${`sign ${tone}`} aria-hidden="true">${SIGNS[tone]}</span>
        ${` ${number}: ${row.state}`}${row.pid === undefined ? "" : `, process ${row.pid}`}
      </h3>
      ${row.cause ? html`<p class="cause">${row.cause}</p>` : undefined}
      ${row.advice ? html`<p class="advice">${row.advice}</p>` : undefined}
      <${Facts} rows=${factsOf(process, users)} />
      ${isProcess && row.share_key !== undefined
        ? html`<${ServerActions} name=${row.server} shareKey=${row.share_key} />`
        : undefined}
    </div>
  `;
}

function factsOf({ row }: ShownProcess, users: readonly WindowColumn[]): [string, ComponentChildren][] {
  const { breaker, refused_questions: refused } = row;
  return [
    ["Shared by", row.scope],
    ["Because", row.why],
    ["Used by", namesOf(users)],
    ["Memory", row.memory_bytes === undefined ? undefined : formatMemory(row.memory_bytes)],
    [
      "Calls",
      `${formatCount(row.calls)}, ${row.inflight} in flight${row.queued > 0 ? `, ${row.queued} wait` : ""}`,
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
    ["Breaker", breaker && String(breaker.state)],
    ["Faults of its lists", row.list_faults?.join("; ")],
    ["Lists", row.lists_known === undefined ? undefined : row.lists_known ? "known" : "not known yet"],
  ];
}

function namesOf(users: readonly WindowColumn[]): string {
  const names = users.slice(0, 12).map(({ label, detail }) => `${label} (${detail})`);
  const more = users.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function WindowFacts({ column }: { column: WindowColumn }): VNode {
  const { act } = usePage();
  return html`
    <h2>${column.label}</h2>
    ${column.sessions.map((session) =>
      html`
        <div class="process" key=${session.session}>
          <${Facts} rows=${[
            ["Session", session.session],
            ["Client", `${session.client ?? "no name given"} ${session.client_version ?? ""}`],
            ["MCP", session.revision],
            ["Directory", session.cwd],
            ["Connected", session.connected ? "yes" : "no: its calls go on, and their answers are kept"],
            ["Server", session.server],
            ["Since", formatTime(session.started_at)],
            ["Calls", `${formatCount(session.calls)}, ${session.inflight} in flight`],
            ["Sent and received", `${formatMemory(session.bytes_out)}, ${formatMemory(session.bytes_in)}`],
          ]} />
          <p class="actions"><button type="button" onClick=${() =>
            act(endSession(session.session, column.label))}>End this session</button></p>
        </div>
      `
    )}
  `;
}
