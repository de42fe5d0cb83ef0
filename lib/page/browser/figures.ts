import type { VNode } from "preact";
import { describeSaved } from "../../admin/saved_text.ts";
import { html } from "./elements.ts";
import { formatCount, formatDuration, formatMemory, NONE, plural } from "./format.ts";
import { usePage } from "./page.ts";

/** The figures of now, in one line. */
export function Figures(): VNode {
  const { state } = usePage();
  const sample = state.samples.at(-1);
  const running = [...state.servers.values()].filter((row) => row.state === "running").length;
  const perSecond = sample && (sample.calls * 1000 / Math.max(1, sample.interval_ms)).toFixed(1);
  const figures: [string, string][] = [
    ["Windows", formatCount(sample?.windows ?? state.sessions.size)],
    ["Processes", formatCount(running)],
    ["Calls per second", perSecond ?? NONE],
    ["Took (p50, p95)", `${formatDuration(sample?.p50_ms)}, ${formatDuration(sample?.p95_ms)}`],
    ["In flight", formatCount(sample?.inflight)],
    ["Waiting", formatCount(sample?.queued)],
    [
      "Memory",
      formatMemory(
        sample && sample.memory.daemon + (sample.memory.servers ?? 0) + (sample.memory.shims ?? 0),
      ),
    ],
    ["Saved", (sample && describeSaved(sample.saved)) ?? NONE],
  ];
  return html`
    <dl class="figures">
      ${figures.map(([name, value]) =>
        html`
          <div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>
        `
      )}
    </dl>
  `;
}

/** Faults and notes of the daemon's health, and the servers that need somebody. */
export function Notices(): VNode | null {
  const { state: { faults, notes } } = usePage();
  if (faults.length + notes.length === 0) return null;
  return html`
    <details class=${`notices ${faults.length > 0 ? "has-faults" : ""}`}>
      <summary>${[
        faults.length > 0 ? plural(faults.length, "fault") : "",
        notes.length > 0 ? plural(notes.length, "note") : "",
      ].filter((part) => part !== "").join(", ")}</summary>
      <ul>
        ${faults.map((fault) => html`<li key=${fault} class="cause">${fault}</li>`)}
        ${notes.map((note) => html`<li key=${note}>${note}</li>`)}
      </ul>
    </details>
  `;
}
