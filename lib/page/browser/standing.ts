import type { VNode } from "preact";
import { formatDuration } from "../../base/units.ts";
import { html } from "./elements.ts";
import type { PageState } from "./page_state.ts";
import type { WatchLink } from "./watch_client.ts";

interface StandingProps {
  link: WatchLink;
  state: PageState;
  onRetry: () => void;
}

/** Whether what is shown is of now; if not, how old it is and why. */
export function Standing({ link, state, onRetry }: StandingProps): VNode {
  const age = state.ageMs;
  const old = age === undefined ? "" : ` What is shown is ${formatDuration(age)} old.`;
  const isQuiet = link.is === "live" || link.is === "connecting";
  return html`
    <div class=${`standing ${link.is.replace(" ", "-")}`}>
      <p role="status">${link.is === "live" ? "Live" : link.is === "connecting" ? "Connecting…" : ""}
        ${link.is === "lost" ? `Not connected: ${link.why}.` : ""}
        ${link.is === "paused" ? "Nobody looked at this page, so it has stopped asking the daemon." : ""}
        ${link.is === "signed out" ? "Not signed in." : ""}</p>
      ${state.oddLine === undefined ? undefined : html`
        <p class="cause" role="status">What is shown may not be all there is: a line of the daemon cannot be read
          (${state.oddLine}). <button type="button" class="link" onClick=${() =>
            location.reload()}>Load the page again</button></p>
      `}
      ${isQuiet ? undefined : html`<p class="age">${old}</p>`}
      ${link.is === "lost" ? html`<button type="button" onClick=${onRetry}>Try now</button>` : undefined}
    </div>
  `;
}
