import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { JsonObject } from "../../base/json.ts";
import { Facts, html } from "./elements.ts";
import { formatDuration } from "../../base/units.ts";
import { clientName, formatCount, formatTime, known } from "./format.ts";
import { usePage } from "./page.ts";
import { cancelCall, request } from "./requests.ts";
import type { KnownCall } from "../../admin/known_state.ts";

/** This much of a body is shown at first, and ten times as much when somebody wants more: a page of megabytes is slow. */
const SHOWN_CHARS = 20_000;
/** A body that is longer is shown as it is, and not indented. */
const MAX_INDENTED_CHARS = 1_000_000;

/** One call in full, with what was asked and answered where that is recorded. */
export function CallDetails({ call }: { call: KnownCall }): VNode {
  const { state, act } = usePage();
  const full = useFullCall(call);
  const row = { ...call.row, ...full.row };
  const title = String(row.tool);
  return html`
    <section class="details" aria-labelledby="details-title">
      <h2 id="details-title">${title}</h2>
      ${call.isRunning
        ? html`<p class="actions"><button type="button" onClick=${() =>
          act(cancelCall(call.id, title))}>Cancel this call</button></p>`
        : undefined}
      ${row.message ? html`<p class="cause">${row.message}</p>` : undefined}
      <${Facts} rows=${[
        ["Outcome", String(row.outcome)],
        ["Waits for", row.waits_for],
        ["Server", row.server],
        ["Method", row.method],
        ["Started", formatTime(row.started_at)],
        ["Took", known(state.tookMs(call), formatDuration)],
        ["Client", `${clientName(row.client)} ${row.client_version ?? ""}`],
        ["Session", row.session],
        ["Characters", `${formatCount(Number(row.bytes_in))} in, ${formatCount(Number(row.bytes_out))} out`],
        ["Tokens", row.input_tokens && `${row.input_tokens} in, ${row.output_tokens} out`],
        ["Cost", row.cost_usd && `$${row.cost_usd}`],
        ["Call", call.id],
      ]} />
      <${Bodies} row=${full.row} why=${full.why} />
    </section>
  `;
}

interface FullCall {
  row?: JsonObject;
  /** Why it is not there. */
  why?: string;
}

/** Read anew when the call has ended: its answer is there then. */
function useFullCall({ id, isRunning }: KnownCall): FullCall {
  const [full, setFull] = useState<FullCall>({});
  useEffect(() => {
    let isWanted = true;
    void request("GET", "/calls", { query: { id } }).then((outcome) => {
      if (!isWanted) return;
      setFull(outcome.is === "done" ? { row: outcome.answer.call as JsonObject } : { why: outcome.why });
    });
    return () => {
      isWanted = false;
    };
  }, [id, isRunning]);
  return full;
}

function Bodies({ row, why }: FullCall): VNode | null {
  if (why !== undefined) {
    return html`<p class="cause">What was asked and answered cannot be loaded: ${why}</p>`;
  }
  if (!row) return html`<p class="quiet">Loads…</p>`;
  if (row.request === undefined && row.answer === undefined) {
    return html`<p class="quiet">What is asked and answered is not recorded, unless exai.json has "callsBodies": true.</p>`;
  }
  return html`
    <${Body} name="Asked" value=${row.request} />
    <${Body} name="Answered" value=${row.answer} />
  `;
}

function Body({ name, value }: { name: string; value: unknown }): VNode | null {
  const [isMore, setMore] = useState(false);
  const text = useMemo(() => value === undefined || value === null ? "" : textOf(value), [value]);
  if (text === "") return null;
  const shown = text.slice(0, isMore ? 10 * SHOWN_CHARS : SHOWN_CHARS);
  return html`
    <h3>${name}</h3>
    <pre tabindex="0" role="region" aria-label=${name}>${shown}</pre>
    ${shown.length < text.length
      ? html`<p class="actions"><span class="quiet">${formatCount(shown.length)} of ${
        formatCount(text.length)
      } characters</span>
        ${isMore ? undefined : html`<button type="button" onClick=${() => setMore(true)}>Show more</button>`}
        <button type="button" onClick=${() =>
        save(`${name.toLowerCase()}.txt`, text)}>Save all as a file</button></p>`
      : undefined}
  `;
}

function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** JSON indented, where it is JSON and not too long. */
function textOf(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  if (value.length > MAX_INDENTED_CHARS) return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
