import type { VNode } from "preact";
import type { StateTone } from "../../admin/state_words.ts";
import { html, Modal } from "./elements.ts";
import { SIGNS } from "./matrix_cells.ts";
import type { Preferences } from "./preferences.ts";
import type { PageAction } from "./requests.ts";

interface ConfirmProps {
  action: PageAction;
  onClose: () => void;
  onConfirm: (action: PageAction) => void;
}

/** Asks before something is lost. The focus is on what loses nothing: a key may be held down. */
export function Confirm({ action, onClose, onConfirm }: ConfirmProps): VNode {
  return html`
    <${Modal} title=${`${action.title}?`} onClose=${onClose}>
      <p>${action.loses}</p>
      <p class="actions">
        <button type="button" onClick=${onClose}>Leave as it is</button>
        <button type="button" class="main" onClick=${() => onConfirm(action)}>${action.title}</button>
      </p>
      <//>
  `;
}

const KEYS: readonly [string, string][] = [
  ["1 to 5", "Servers, Calls, Measured, Logs, Accounts"],
  ["/", "Go to the filter; Escape empties it"],
  ["Arrows, Page up and down", "Move in the matrix and in the calls"],
  ["Home, End", "To the first and the last column; with Ctrl to the first and the last cell"],
  ["r, p, s in the matrix", "Restart, park, stop the server"],
  ["?", "This help"],
  ["Escape", "Close what is open"],
];

const SIGN_WORDS: readonly [StateTone, string][] = [
  ["ok", "runs"],
  ["busy", "starts or ends"],
  ["ask", "needs somebody: a login, a directory, a look at its faults"],
  ["bad", "does not run, and the cause is given"],
  ["off", "is not needed yet, or switched off"],
];

/** What the keys do and the signs mean. */
export function Help({ preferences, onClose }: { preferences: Preferences; onClose: () => void }): VNode {
  return html`
    <${Modal} title="Help" onClose=${onClose}>
      <p>Each line is a server, each column a window. A number is a process: where two windows show the same number in a line, they share it. ▸ counts the calls of a window that run there, ‖ those that wait.</p>
      <h3>Signs</h3>
      <ul class="plain">
        ${SIGN_WORDS.map(([tone, words]) =>
          html`<li key=${tone}><span class=${`sign ${tone}`} aria-hidden="true">${
            SIGNS[tone]
          }</span> ${words}</li>`
        )}
      </ul>
      <h3>Keys</h3>
      <dl class="facts">
        ${KEYS.map(([key, does]) =>
          html`
            <div key=${key}>
              <dt><kbd>${key}</kbd></dt>
              <dd>${does}</dd>
            </div>
          `
        )}
      </dl>
      <p><label><input
        type="checkbox"
        checked=${preferences.hasKeys}
        onChange=${(event: Event) => preferences.setKeys((event.target as HTMLInputElement).checked)}
      /> Single keys do something</label></p>
      <p class="actions"><button type="button" class="main" onClick=${onClose}>Close</button></p>
      <//>
  `;
}
