import type { VNode } from "preact";
import { formatDuration } from "../../base/units.ts";
import { html } from "./elements.ts";
import { known } from "./format.ts";
import { usePage } from "./page.ts";
import { cancelCall } from "./requests.ts";

/** At most this many are listed beside the matrix; the list of calls has all. */
const MAX_SHOWN = 20;

interface RunningCallsProps {
  server: string;
  /** Those of these sessions; undefined: of all. */
  sessions: string[] | undefined;
}

/** The calls that run at a server, each with a way to cancel it. */
export function RunningCalls({ server, sessions }: RunningCallsProps): VNode | null {
  const { state, act } = usePage();
  const calls = [...state.running].filter(({ row }) =>
    row.server === server && (sessions === undefined || sessions.includes(String(row.session)))
  );
  if (calls.length === 0) return null;
  return html`
    <h3>Calls running</h3>
    <ul class="plain">
      ${calls.slice(0, MAX_SHOWN).map((call) =>
        html`
          <li key=${call.id} class="actions">
            <span>${call.row.tool}</span>
            <span class="quiet">${known(state.tookMs(call), formatDuration)}${call.row.waits_for
              ? `, waits for ${call.row.waits_for}`
              : ""}</span>
            <button type="button" aria-label=${`Cancel ${call.row.tool} (${call.id})`} onClick=${() =>
              act(cancelCall(call.id, String(call.row.tool)))}>Cancel</button>
          </li>
        `
      )}
    </ul>
    ${calls.length > MAX_SHOWN ? html`<p class="quiet">and ${calls.length - MAX_SHOWN} more</p>` : undefined}
  `;
}
