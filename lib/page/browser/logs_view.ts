import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { counted } from "../../base/text.ts";
import { Filter, html } from "./elements.ts";
import { usePage } from "./page.ts";

/** The log of one server, or of the daemon, as it is written. */
export function LogsView(): VNode {
  const { state, showLog } = usePage();
  const [filter, setFilter] = useState("");
  const names = ["daemon", ...new Set([...state.servers.values()].map(({ server }) => server).sort())];
  const name = state.log?.name ?? "";
  useEffect(() => {
    if (name === "") showLog("daemon");
  }, []);
  const wanted = filter.toLowerCase();
  const lines = (state.log?.lines ?? []).filter((line) => line.toLowerCase().includes(wanted));
  return html`
    <div class="bar">
      <label class="filter">
        <span>Log of</span>
        <select value=${name} onChange=${(event: Event) =>
          showLog((event.target as HTMLSelectElement).value)}>
          ${names.map((one) =>
            html`<option key=${one} value=${one}>${one === "daemon" ? "the daemon" : one}</option>`
          )}
        </select>
      </label>
      <${Filter} label="Filter" value=${filter} onChange=${setFilter} />
      <p class="quiet">${counted(lines.length, "line")}</p>
    </div>
    ${state.log?.why ? html`<p class="cause">${state.log.why}</p>` : undefined}
    ${lines.length === 0
      ? html`<p class="quiet">${
        filter === "" ? "Nothing has been written yet." : `No line matches “${filter}”.`
      }</p>`
      : html`<${Lines} lines=${lines} />`}
  `;
}

/** Follows the end, unless somebody has scrolled away from it. */
function Lines({ lines }: { lines: readonly string[] }): VNode {
  const ref = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (isAtEnd.current && ref.current) ref.current.scrollTop = ref.current.scrollHeight;
  });
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = ref.current!;
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  return html`
    <pre class="log" tabindex="0" role="log" aria-label="Lines" ref=${ref}
      onScroll=${onScroll}>${lines.join("\n")}</pre>
  `;
}
