import type { VNode } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { AccountRow, BegunLoginRow } from "../../admin/auth_routes.ts";
import { html } from "./elements.ts";
import { formatTime } from "./format.ts";
import { usePage } from "./page.ts";
import { request } from "./requests.ts";

const STATES: ReadonlyMap<string, string> = new Map([
  ["signed_in", "signed in"],
  ["login_required", "needs a login"],
  ["signed_out", "signed out"],
]);

/** The accounts at servers that want a login. */
export function AccountsView(): VNode {
  const { link } = usePage();
  const [rows, setRows] = useState<AccountRow[]>();
  const [why, setWhy] = useState<string>();
  const [login, setLogin] = useState<BegunLoginRow>();
  const load = useCallback(async () => {
    const outcome = await request("GET", "/auth");
    setWhy(outcome.is === "failed" ? `Cannot be loaded: ${outcome.why}` : undefined);
    if (outcome.is === "done") setRows(outcome.answer.accounts as AccountRow[]);
  }, []);
  useEffect(() => void load(), [link.is === "live"]);
  const begin = async ({ server, account }: AccountRow) => {
    const outcome = await request("POST", "/auth/login", { query: { server, account } });
    if (outcome.is === "failed") return setWhy(`Not signed in to ${server}: ${outcome.why}`);
    const begun = outcome.answer as BegunLoginRow;
    setLogin(begun);
    const ended = await request("GET", "/auth/wait", { query: { login: begun.login } });
    // Another login may have begun meanwhile.
    setLogin((now) => now?.login === begun.login ? undefined : now);
    await load();
    if (ended.is === "failed") setWhy(`Not signed in to ${server}: ${ended.why}`);
  };
  return html`
    <div class="bar">
      <h2>Accounts</h2>
      <button type="button" onClick=${load}>Read again</button>
    </div>
    ${why === undefined ? undefined : html`<p class="cause" role="alert">${why}</p>`}
    ${login ? html`<${LoginLink} login=${login} />` : undefined}
    ${rows?.length === 0 ? html`<p class="quiet">No server wants a login.</p>` : undefined}
    ${rows && rows.length > 0 ? html`<${AccountTable} rows=${rows} onBegin=${begin} />` : undefined}
  `;
}

/** The address is one of a server's: it is opened by the person, and only if it is a page of the web. */
function LoginLink({ login: { server, url, expires_at } }: { login: BegunLoginRow }): VNode {
  return html`
    <p role="status">
      ${/^https?:\/\//i.test(url)
        ? html`<a href=${url} target="_blank" rel="noopener noreferrer">Sign in to ${server}</a>`
        : html`<span>The page to sign in at is no page of the web: ${url}</span>`}
      <span class="quiet">${` until ${formatTime(expires_at)}`}</span>
    </p>
  `;
}

interface AccountTableProps {
  rows: AccountRow[];
  onBegin: (row: AccountRow) => void;
}

function AccountTable({ rows, onBegin }: AccountTableProps): VNode {
  return html`
    <div class="wide" tabindex="0" role="region" aria-label="Table of accounts">
      <table>
        <thead>
          <tr>${["Server", "Account", "State", "Signed in with", "Until", ""].map((name) =>
            html`<th scope="col" key=${name}>${name || html`<span class="unseen">Action</span>`}</th>`
          )}</tr>
        </thead>
        <tbody>
          ${rows.map((row) =>
            html`
              <tr key=${`${row.server} ${row.account}`}>
                <th scope="row">${row.server}</th>
                <td>${row.account}</td>
                <td>${STATES.get(row.state) ?? row.state}${row.why ? `: ${row.why}` : ""}</td>
                <td>${row.issuer ?? ""}</td>
                <td>${row.expires_at ? formatTime(row.expires_at) : ""}${row.is_renewed
                  ? ", renewed by itself"
                  : ""}</td>
                <td>${row.state === "signed_in"
                  ? undefined
                  : html`<button type="button" aria-label=${`Sign in to ${row.server} as ${row.account}`} onClick=${() =>
                    onBegin(row)}>Sign in</button>`}</td>
              </tr>
            `
          )}
        </tbody>
      </table>
    </div>
  `;
}
