import { h, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AccountsView } from "./accounts_view.ts";
import { Boundary } from "./boundary.ts";
import { CallsView } from "./calls_view.ts";
import { Confirm, Help } from "./dialogs.ts";
import { html } from "./elements.ts";
import { Figures, Notices, Waiting } from "./figures.ts";
import { LogsView } from "./logs_view.ts";
import { MatrixView } from "./matrix_view.ts";
import { MeasuredView } from "./measured_view.ts";
import { useKeys, useTab } from "./navigation.ts";
import { PageProvider, type Tab, TABS } from "./page.ts";
import { type Preferences, usePreferences } from "./preferences.ts";
import { type PageAction, perform, RELOAD, ROTATE_TOKEN } from "./requests.ts";
import type { PageState } from "./page_state.ts";
import { SignIn } from "./sign_in.ts";
import { Standing } from "./standing.ts";
import type { WatchLink } from "./watch_client.ts";

const NAMES: Readonly<Record<Tab, string>> = {
  matrix: "Servers",
  calls: "Calls",
  measured: "Measured",
  logs: "Logs",
  accounts: "Accounts",
};

interface AppProps {
  state: PageState;
  link: WatchLink;
  retry: () => void;
  setLog: (name: string | undefined) => void;
}

/** The page as a whole. */
export function App({ state, link, retry, setLog }: AppProps): VNode {
  const [tab, open] = useTab();
  const preferences = usePreferences();
  const [asked, setAsked] = useState<PageAction>();
  const [said, setSaid] = useState<{ text: string; isBad: boolean }>();
  const [isHelp, setHelp] = useState(false);
  const run = async (action: PageAction) => {
    setAsked(undefined);
    setSaid({ text: `${action.title}: under way…`, isBad: false });
    const why = await perform(action);
    setSaid({ text: why === undefined ? action.done : `${action.title}: ${why}`, isBad: why !== undefined });
  };
  const act = (action: PageAction) => action.loses === undefined ? void run(action) : setAsked(action);
  const showLog = (name: string | undefined) => {
    setLog(name);
    if (name !== undefined) open("logs");
  };
  useEffect(() => {
    if (tab !== "logs") setLog(undefined);
  }, [tab]);
  useKeys({ hasKeys: preferences.hasKeys, open, help: () => setHelp(true) });
  return html`
    <${PageProvider} value=${{ state, link, act, open, showLog, hasKeys: preferences.hasKeys }}>
      <${Top} ...${{ state, preferences, act, onHelp: () => setHelp(true) }} />
      <${Tabs} tab=${tab} onOpen=${open} />
      <main>
        <${Standing} link=${link} state=${state} onRetry=${retry} />
        ${link.is === "signed out" ? html`<${SignIn} why=${link.why} onSignedIn=${retry} />` : undefined}
        <p class=${`said ${said?.isBad ? "cause" : ""}`} role="status">${said?.text}
          ${said
            ? html`<button type="button" class="link" onClick=${() => setSaid(undefined)}>Dismiss</button>`
            : undefined}
        </p>
        ${state.hello ? html`<${Shown} tab=${tab} version=${state.version} />` : undefined}
      </main>
      ${asked
        ? html`<${Confirm} action=${asked} onClose=${() => setAsked(undefined)} onConfirm=${run} />`
        : undefined}
      ${isHelp ? html`<${Help} preferences=${preferences} onClose=${() => setHelp(false)} />` : undefined}
    </${PageProvider}>
  `;
}

const VIEWS = {
  matrix: MatrixView,
  calls: CallsView,
  measured: MeasuredView,
  logs: LogsView,
  accounts: AccountsView,
};

function Shown({ tab, version }: { tab: Tab; version: number }): VNode {
  const name = NAMES[tab];
  return html`
    ${h(Boundary, { name: "What is so now", version }, h(Figures, null), h(Waiting, null), h(Notices, null))}
    <section aria-label=${name} class="view">
      ${h(Boundary, { key: tab, name, version }, h(VIEWS[tab], null))}
    </section>
  `;
}

interface TopProps {
  state: PageState;
  preferences: Preferences;
  act: (action: PageAction) => void;
  onHelp: () => void;
}

function Top({ state: { hello }, preferences, act, onHelp }: TopProps): VNode {
  return html`
    <header>
      <h1>EXAI</h1>
      <p class="quiet">${hello ? `${hello.version} at ${hello.address.url}` : ""}</p>
      <p class="actions">
        <label>Theme${" "}
          <select
            value=${preferences.theme}
            onChange=${(event: Event) => preferences.setTheme((event.target as HTMLSelectElement).value)}
          >
            <option value="system">as the system</option>
            <option value="light">light</option>
            <option value="dark">dark</option>
          </select>
        </label>
        <button type="button" onClick=${onHelp}>Help</button>
        ${hello
          ? html`
            <button type="button" onClick=${() => act(RELOAD)}>Reload configuration</button>
            <button type="button" onClick=${() => act(ROTATE_TOKEN)}>Rotate token</button>
          `
          : undefined}
      </p>
    </header>
  `;
}

function Tabs({ tab, onOpen }: { tab: Tab; onOpen: (tab: Tab) => void }): VNode {
  return html`
    <nav aria-label="Parts of the page">
      ${TABS.map((one) =>
        html`
          <a
            key=${one}
            href=${`#${one}`}
            aria-current=${one === tab ? "page" : undefined}
            onClick=${() => onOpen(one)}
          >${NAMES[one]}</a>
        `
      )}
    </nav>
  `;
}
