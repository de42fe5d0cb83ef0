import { askDaemon, postToDaemon } from "../client/daemon_client.ts";
import { MINUTE_MS } from "../base/units.ts";
import { openLogin } from "./auth_actions/open_page.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";

/** The daemon ends the wait by itself when the code is too old. */
const WAIT_MS = 3 * MINUTE_MS;

export const pageCommand: Action = {
  summary: "Open the page of the running daemon in your browser, signed in",
  about: [
    "The browser is signed in by a code that is good once and for two minutes. It is led on by a file that only you can " +
    "read: other users of the machine see the arguments of every program.",
  ],
  forms: [
    { args: "", does: "opens the page, or prints its address where no browser can be opened" },
    { args: "--print", does: "prints an address that signs a browser in, once and within two minutes" },
  ],
  flags: [{ name: "print", help: "Print the address in place of opening it" }],
  run: page,
};

async function page({ settings, switches, print, progress }: Invocation): Promise<CommandResult> {
  const { address } = await askDaemon(settings, "/health");
  const base = String(address).replace(/^ws/, "http");
  const { code } = await askDaemon(settings, "/page/code", "POST");
  // In the fragment, which the browser sends to nobody; the page takes it out of the address before all else.
  const link = new URL(`/#code=${code}`, base).href;
  using opened = switches.has("print") ? undefined : await openLogin(link, "EXAI");
  if (!opened) {
    const text = `Open this address within two minutes; it signs a browser in once:\n${link}\n` +
      `Later: ${base}`;
    return { text, json: { url: base, link, opened: false } };
  }
  if (!switches.has("json")) print(`The page has opened in your browser: ${base}`);
  progress.step("waiting for the browser");
  const { used } = await postToDaemon(settings, "/page/wait", { body: String(code), timeoutMs: WAIT_MS });
  const text = used === true
    ? ""
    : "The browser has not opened it; exai-daemon page --print gives the address.";
  return { text, json: { url: base, opened: used }, code: used === true ? 0 : 1 };
}
