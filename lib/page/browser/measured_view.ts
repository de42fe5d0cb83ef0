import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { causeInWords } from "../../admin/list_changes.ts";
import { describeSaved } from "../../admin/saved_text.ts";
import type { SampleEvent } from "../../admin/watch_event.ts";
import { formatBytes, formatDuration } from "../../base/units.ts";
import { Facts, html } from "./elements.ts";
import { formatCount, formatTime, known, NONE, perSecond } from "./format.ts";
import { usePage } from "./page.ts";
import { type Curve, Plot } from "./plot.ts";

/** What is measured: throughput, latency, memory, what is saved, and how often lists have changed. */
export function MeasuredView(): VNode {
  const { state } = usePage();
  const { samples } = state;
  const latest = samples.at(-1);
  const plots = useMemo(() => plotsOf(samples), [samples]);
  if (!latest) return html`<p class="quiet">Nothing has been measured yet.</p>`;
  return html`
    <div class="plots">
      ${plots.map((plot) => html`<${Plot} key=${plot.title} ...${plot} />`)}
      <${Saved} sample=${latest} />
      <${ListChanges} sample=${latest} />
    </div>
  `;
}

interface PlotData {
  title: string;
  seconds: number[];
  curves: Curve[];
  format: (value: number) => string;
  /** The steps that its axis may have. */
  steps?: number[];
}

/** Calls are counted one by one, and bytes by powers of two. */
const WHOLE = [1, 2, 5].flatMap((digit) => [digit, digit * 10, digit * 100, digit * 1000]).sort((a, b) =>
  a - b
);
const BINARY = Array.from({ length: 45 }, (_, power) => 2 ** power);

function plotsOf(samples: readonly SampleEvent[]): PlotData[] {
  const lastMs = samples.at(-1)?.at_ms ?? 0;
  const seconds = samples.map(({ at_ms }) => (at_ms - lastMs) / 1000);
  const curve = (
    name: string,
    color: string,
    valueOf: (sample: SampleEvent) => number | undefined,
  ): Curve => ({
    name,
    color,
    values: samples.map(valueOf),
  });
  return [
    {
      title: "Calls per second",
      seconds,
      format: (value) => value.toFixed(1),
      curves: [
        curve("ended", "--curve-1", (sample) => perSecond(sample.calls, sample)),
        curve("failed", "--curve-2", (sample) => perSecond(sample.failed, sample)),
      ],
    },
    {
      title: "How long calls take",
      seconds,
      format: formatDuration,
      curves: [
        curve("half of them at most (p50)", "--curve-1", (sample) => sample.p50_ms),
        curve("95 of 100 at most (p95)", "--curve-3", (sample) => sample.p95_ms),
      ],
    },
    {
      title: "Memory",
      seconds,
      format: formatBytes,
      steps: BINARY,
      curves: [
        curve("servers", "--curve-1", ({ memory }) => memory.servers),
        curve("daemon", "--curve-3", ({ memory }) => memory.daemon),
        curve("shims", "--curve-4", ({ memory }) => memory.shims),
      ],
    },
    {
      title: "Calls running and waiting",
      seconds,
      format: formatCount,
      steps: WHOLE,
      curves: [
        curve("running", "--curve-1", ({ inflight }) => inflight),
        curve("waiting", "--curve-2", ({ queued }) => queued),
      ],
    },
  ];
}

function countedAs(counted: SampleEvent["saved"]["counted"]): string | undefined {
  if (counted === undefined) return undefined;
  return counted === "private"
    ? "private memory, which each copy would have for itself"
    : "resident memory; what several processes share counts in each";
}

function Saved({ sample: { saved, memory, windows } }: { sample: SampleEvent }): VNode {
  return html`
    <section class="panel">
      <h2>Saved</h2>
      <p
        class="quiet">Measured against one copy of each process for every session that shares it, less what the daemon, its watchdog and the shims take.</p>
      <${Facts} rows=${[
        ["Saved", describeSaved(saved) ?? NONE],
        ["Counted", countedAs(saved.counted)],
        ["Not measured", saved.note],
        ["Windows", formatCount(windows)],
        ["Processes that run", known(memory.processes, formatCount)],
        ["Memory of servers", known(memory.servers, formatBytes)],
        ["Memory of the daemon", formatBytes(memory.daemon)],
        [
          "Memory of shims",
          memory.shims_measured === undefined
            ? known(memory.shims, formatBytes)
            : `${known(memory.shims, formatBytes)}, ${memory.shims_measured} measured`,
        ],
      ]} />
    </section>
  `;
}

function ListChanges({ sample: { list_changes: changes } }: { sample: SampleEvent }): VNode {
  return html`
    <section class="panel">
      <h2>Breaks of the prompt cache</h2>
      <p class="quiet">How often windows were told that their list of tools has changed. Each time, a client that caches the prompt pays for it anew.</p>
      ${changes.length === 0 ? html`<p>None since the daemon has started.</p>` : html`
        <table>
          <thead>
            <tr>
              <th scope="col">Cause</th>
              <th scope="col">Times</th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            ${changes.map((change) =>
              html`
                <tr key=${causeInWords(change)}>
                  <td>${causeInWords(change)}</td>
                  <td>${formatCount(change.count)}</td>
                  <td>${formatTime(change.last_at)}</td>
                </tr>
              `
            )}
          </tbody>
        </table>
      `}
    </section>
  `;
}
