import type { VNode } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { counted } from "../../base/text.ts";
import { formatDuration } from "../../base/units.ts";
import { CallDetails } from "./call_details.ts";
import { Filter, html } from "./elements.ts";
import { formatTime, known } from "./format.ts";
import { usePage } from "./page.ts";
import { scrolledTo, visibleRange } from "./scroll.ts";
import { useScrolled } from "./use_scrolled.ts";
import type { KnownCall } from "../../admin/known_state.ts";
import { filterCalls } from "./page_state.ts";

const ROW_PX = 34;

/** Calls as they happen: those that run, and then the latest that have ended. */
export function CallsView(): VNode {
  const { state } = usePage();
  const [filter, setFilter] = useState("");
  const [chosen, setChosen] = useState<string>();
  const calls = useMemo(() => filterCalls(state.calls, filter), [state, state.callsVersion, filter]);
  const call = chosen === undefined ? undefined : state.call(chosen);
  return html`
    <div class="bar">
      <${Filter} label="Filter" value=${filter} onChange=${setFilter} />
      <p class="quiet">${counted(calls.length, "call")}${state.leftOut > 0
        ? `; ${state.leftOut} were too many to be shown: exai-daemon calls has them`
        : ""}</p>
    </div>
    ${state.pastWhy === undefined
      ? undefined
      : html`<p class="cause">Earlier calls cannot be loaded: ${state.pastWhy}</p>`}
    <div class="split">
      <${CallList} calls=${calls} chosen=${chosen} onChoose=${setChosen} />
      ${call
        ? html`<${CallDetails} key=${call.id} call=${call} />`
        : html`<p class="details quiet">${hintOf(calls, filter)}</p>`}
    </div>
  `;
}

function hintOf(calls: readonly KnownCall[], filter: string): string {
  if (calls.length > 0) {
    return "Choose a call to see it in full. The filter takes words of the server, the tool, the outcome, the client and " +
      'the session; "failed", "running" and "waits" too.';
  }
  if (filter !== "") return `No call matches “${filter}”.`;
  return "No call yet. Those that windows make appear here as they begin.";
}

interface CallListProps {
  calls: readonly KnownCall[];
  chosen: string | undefined;
  onChoose: (id: string) => void;
}

function CallList({ calls, chosen, onChoose }: CallListProps): VNode {
  const ref = useRef<HTMLDivElement>(null);
  const seen = useScrolled(ref);
  const at = calls.findIndex(({ id }) => id === chosen);
  const [from, to] = visibleRange({
    scroll: seen.top,
    extent: seen.height,
    size: ROW_PX,
    count: calls.length,
  });
  const onKey = (event: KeyboardEvent) => {
    const step = STEPS.get(event.key);
    const next = step === undefined ? undefined : calls[Math.max(0, Math.min(calls.length - 1, at + step))];
    if (!next) return;
    event.preventDefault();
    onChoose(next.id);
    showRow(ref.current!, calls.indexOf(next));
  };
  return html`
    <div
      class="grid calls"
      role="grid"
      tabindex="0"
      ref=${ref}
      aria-label="Calls"
      aria-rowcount=${calls.length + 1}
      aria-activedescendant=${chosen !== undefined && from <= at && at < to ? `call-${chosen}` : undefined}
      onKeyDown=${onKey}
    >
      <div class="head" role="row" aria-rowindex="1">
        ${COLUMNS.map((name) =>
          html`<span key=${name} role="columnheader" class=${name.toLowerCase()}>${name}</span>`
        )}
      </div>
      <div class="canvas" role="presentation" style=${{ height: `${ROW_PX * calls.length}px` }}>
        ${calls.slice(from, to).map((call, i) =>
          html`<${CallRow} key=${call.id} call=${call} index=${from + i} isChosen=${
            call.id === chosen
          } onChoose=${onChoose} />`
        )}
      </div>
    </div>
  `;
}

const COLUMNS = ["Started", "Server", "Tool", "Outcome", "Took", "Client"];
const STEPS = new Map([["ArrowDown", 1], ["ArrowUp", -1], ["PageDown", 12], ["PageUp", -12]]);

function showRow(list: HTMLElement, index: number): void {
  // The head is as high as a row.
  const room = list.clientHeight - ROW_PX;
  list.scrollTop = scrolledTo(list.scrollTop, { start: index * ROW_PX, size: ROW_PX, room });
}

interface CallRowProps {
  call: KnownCall;
  index: number;
  isChosen: boolean;
  onChoose: (id: string) => void;
}

function CallRow({ call, index, isChosen, onChoose }: CallRowProps): VNode {
  const { state } = usePage();
  const { id, row } = call;
  const tone = call.isRunning ? "busy" : row.outcome === "ok" ? "ok" : "bad";
  const outcome = row.waits_for ? `waits for ${row.waits_for}` : row.outcome;
  return html`
    <div
      id=${`call-${id}`}
      role="row"
      class=${`row ${isChosen ? "at" : ""}`}
      aria-rowindex=${index + 2}
      aria-selected=${isChosen}
      style=${{ transform: `translateY(${index * ROW_PX}px)` }}
      onClick=${() => onChoose(id)}
    >
      <span role="gridcell" class="started">${formatTime(row.started_at)}</span>
      <span role="gridcell" class="server">${row.server ?? ""}</span>
      <span role="gridcell" class="tool">${row.tool}</span>
      <span role="gridcell" class=${`outcome sign ${tone}`}>${outcome}</span>
      <span role="gridcell" class="took">${known(state.tookMs(call), formatDuration)}</span>
      <span role="gridcell" class="client">${row.client ?? ""}</span>
    </div>
  `;
}
