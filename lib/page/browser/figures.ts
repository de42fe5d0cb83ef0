import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { describeSaved } from "../../admin/saved_text.ts";
import type { SampleEvent } from "../../admin/watch_event.ts";
import { counted } from "../../base/text.ts";
import { formatBytes, formatDuration } from "../../base/units.ts";
import { Facts, html } from "./elements.ts";
import { clientName, formatCount, known, NONE, perSecond } from "./format.ts";
import { columnsOf } from "./matrix_model.ts";
import { usePage } from "./page.ts";
import type { KnownCall } from "../../admin/known_state.ts";

/** The figures of now, in one line. */
export function Figures(): VNode {
  const { state } = usePage();
  const sample = state.sample;
  const running = [...state.servers.values()].filter((row) => row.state === "running").length;
  const windows = useMemo(() => columnsOf(state.sessions).length, [state, state.rowsVersion]);
  const calls = [...state.running];
  const waiting = calls.filter(({ row }) => row.waits_for);
  const figures: [string, string][] = [
    ["Windows", formatCount(windows)],
    ["Servers running", formatCount(running)],
    ["Calls running", formatCount(calls.length - waiting.length)],
    ["Calls waiting", formatCount(waiting.length)],
    ["Calls per second", sample ? perSecond(sample.calls, sample).toFixed(1) : NONE],
    ["Half take at most", known(sample?.p50_ms, formatDuration)],
    ["Memory in all", known(sample, memoryOf)],
    ["Saved by sharing", (sample && describeSaved(sample.saved)) ?? NONE],
  ];
  return html`<${Facts} kind="figures" rows=${figures} />`;
}

function memoryOf({ memory: { daemon, servers = 0, shims = 0 } }: SampleEvent): string {
  return formatBytes(daemon + servers + shims);
}

/** At most this many waiting calls are named; the list of calls has all. */
const MAX_WAITING = 3;

/** Which calls wait, and for what. */
export function Waiting(): VNode | null {
  const { state, open } = usePage();
  const waiting = [...state.running].filter(({ row }) => row.waits_for);
  if (waiting.length === 0) return null;
  const more = waiting.length - MAX_WAITING;
  return html`
    <section class="waiting" aria-label="Calls that wait">
      <ul class="plain">
        ${waiting.slice(0, MAX_WAITING).map((call) =>
          html`<li key=${call.id}><b>${nameOf(call)}</b>${
            callerOf(call)
          } waits for ${call.row.waits_for}${" "}
            <span class="quiet">${known(state.tookMs(call), formatDuration)}</span></li>`
        )}
      </ul>
      ${more > 0
        ? html`<button type="button" class="link" onClick=${() => open("calls")}>${
          counted(more, "more call")
        }</button>`
        : undefined}
    </section>
  `;
}

function nameOf({ row: { server, tool } }: KnownCall): string {
  return server === undefined ? String(tool) : `${tool} of ${server}`;
}

function callerOf({ row: { client } }: KnownCall): string {
  return client === undefined ? "" : `, called by ${clientName(client)},`;
}

/** Faults and notes of the daemon's health. */
export function Notices(): VNode | null {
  const { state: { faults, notes } } = usePage();
  if (faults.length + notes.length === 0) return null;
  return html`
    <details class=${`notices ${faults.length > 0 ? "has-faults" : ""}`}>
      <summary>${[
        faults.length > 0 ? counted(faults.length, "fault") : "",
        notes.length > 0 ? counted(notes.length, "note") : "",
      ].filter((part) => part !== "").join(", ")}</summary>
      <ul>
        ${faults.map((fault) => html`<li key=${fault} class="cause">${fault}</li>`)}
        ${notes.map((note) => html`<li key=${note}>${note}</li>`)}
      </ul>
    </details>
  `;
}
