import { stdin } from "node:process";
import { createInterface } from "node:readline";
import type { BegunLoginRow } from "../../admin/auth_routes.ts";
import { ExaiError, messageOf, UsageError } from "../../base/errors.ts";
import { MINUTE_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { DEFAULT_ACCOUNT } from "../../config/account_choice.ts";
import { askDaemon, postToDaemon } from "../../client/daemon_client.ts";
import { ensureDaemon } from "../../client/daemon_session.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { MAX_ERROR_CHARS } from "../table.ts";
import { stderrScreen } from "../terminal.ts";
import { ACCOUNT_FLAG, targetOf } from "./account_flag.ts";
import { openLogin } from "./open_page.ts";
import { readAccounts } from "./status.ts";

export const loginAction: Action = {
  summary: "Sign in to a server behind a URL, for every window",
  about: [
    "The page of the authorization server is opened in a browser, whose last page goes to this machine and says whether it " +
    "worked. Where the browser is on another machine, as by SSH, sign in with --paste or --device.",
  ],
  forms: [
    { args: "[SERVER]", does: "signs in; without a name, to the one server that needs a login" },
    {
      args: "SERVER --paste",
      does: "asks for the address that the browser ended at, which a browser on another machine cannot open",
    },
    {
      args: "SERVER --device",
      does: "shows a code to type in on any device, where the server offers that (RFC 8628)",
    },
  ],
  flags: [
    ACCOUNT_FLAG,
    { name: "paste", help: "Read the address that the browser ended at from the terminal" },
    { name: "device", help: "Sign in with a code on another device" },
    { name: "no-browser", help: "Open no browser; the address is printed" },
  ],
  exits: { 1: "nobody has signed in" },
  run: login,
};

/** Longer than the daemon waits. */
const WAIT_MS = 11 * MINUTE_MS;

/** The authorization server is asked before a login begins, and may take its time. */
const BEGIN_MS = 2 * MINUTE_MS;

async function login(invocation: Invocation): Promise<CommandResult> {
  const { settings, switches, progress } = invocation;
  if (switches.has("paste") && switches.has("device")) {
    throw new UsageError("--paste and --device are two ways to sign in; give one of them");
  }
  await ensureDaemon(invocation);
  const server = invocation.args[0] ?? await onlyServer(invocation);
  const query = new URLSearchParams(targetOf(server, invocation));
  if (switches.has("device")) query.set("device", "1");
  progress.step(`asking ${server} how to sign in`);
  const begun = await askDaemon(settings, `/auth/login?${query}`, "POST", BEGIN_MS) as BegunLoginRow;
  using opened = await openIn(begun, invocation);
  tell(prompt(begun, { ...invocation, isOpened: opened !== undefined }), invocation);
  const id = new URLSearchParams({ login: begun.login });
  progress.step("waiting for the sign-in");
  const done = askDaemon(settings, `/auth/wait?${id}`, "GET", WAIT_MS).catch((thrown) => {
    throw whyNobody(server, thrown);
  });
  await (switches.has("paste") ? Promise.race([done, finishPasted(begun, invocation)]) : done);
  const { person } = await done;
  const { account } = begun;
  const as = account === DEFAULT_ACCOUNT ? "" : ` as ${account}`;
  const whose = person === undefined ? "" : `, in the account of ${person}`;
  return {
    text: visible(`signed in to ${server}${as}${whose}: every window uses it from now on`, MAX_ERROR_CHARS),
    json: { server, account, person, signed_in: true },
  };
}

/** Why a login that was waited for has ended: no other daemon than the one that began it waits for it. */
export function whyNobody(server: string, thrown: unknown): unknown {
  if (!(thrown instanceof ExaiError) || thrown.code !== "DAEMON_UNAVAILABLE") return thrown;
  const why =
    `nobody has signed in to ${server}, as the daemon has ended meanwhile; begin again (${thrown.message})`;
  return new ExaiError("UPSTREAM_UNAVAILABLE", why, { cause: thrown });
}

/** @throws {UsageError} when it is not one that needs a login */
async function onlyServer({ settings }: Invocation): Promise<string> {
  const accounts = await readAccounts(settings, undefined, "person");
  const needing = new Set(
    accounts.filter(({ state }) => state === "login_required").map(({ server }) => server),
  );
  const [only, ...others] = needing;
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError(
    only === undefined
      ? "no server is known to need a login; name the one to sign in to: exai-daemon auth login SERVER"
      : `several servers need a login (${[...needing].join(", ")}); name one: exai-daemon auth login SERVER`,
  );
}

/** Opens the page where it is to be opened, and can be. */
async function openIn(
  { kind, url, server }: BegunLoginRow,
  { switches }: Invocation,
): Promise<Disposable | undefined> {
  const isElsewhere = kind === "device" || ["json", "paste", "no-browser"].some((name) => switches.has(name));
  return isElsewhere ? undefined : await openLogin(url, server);
}

/** Tells the person something while the sign-in is waited for: on stderr where stdout is for JSON alone. */
function tell(text: string, { switches, print, progress }: Invocation): void {
  if (!switches.has("json")) return print(text);
  progress.end();
  stderrScreen().write(`${text}\n`);
}

/** Says what the person is to do. */
function prompt(
  begun: BegunLoginRow,
  { switches, isOpened }: Pick<Invocation, "switches"> & { isOpened: boolean },
): string {
  const { kind, url, code, complete_url: complete, expires_at: end } = begun;
  const until = `It is waited for until ${
    new Date(end).toLocaleTimeString(undefined, { timeZoneName: "short" })
  }.`;
  const page = (url: string) => visible(url, Infinity);
  if (kind === "device") {
    const scan = complete === undefined
      ? []
      : [`Or open this address, which has it already: ${page(complete)}`];
    return [`Open ${page(url)} on any device and type in the code ${visible(code ?? "")}`, ...scan, until]
      .join("\n");
  }
  if (switches.has("paste")) {
    return `Open this address in a browser:\n${
      page(url)
    }\nSign in, then paste the address that the browser ended at, ` +
      `also where it says that it cannot be reached, and press Enter. ${until}`;
  }
  return isOpened
    ? `Sign in on the page that has opened in your browser. If there is none, open:\n${page(url)}\n${until}`
    : `Open this address in a browser on this machine:\n${
      page(url)
    }\nIf there is none here, sign in with --paste. ${until}`;
}

/** Ends the login with what the person pastes; an address that is not the right one may be pasted again. */
async function finishPasted({ login }: BegunLoginRow, invocation: Invocation): Promise<void> {
  const id = new URLSearchParams({ login });
  for await (const answer of createInterface({ input: stdin })) {
    if (answer.trim() === "") continue;
    try {
      await postToDaemon(invocation.settings, `/auth/finish?${id}`, { body: answer, timeoutMs: BEGIN_MS });
      return;
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== "INVALID_PARAMS") throw thrown;
      tell(visible(messageOf(thrown), MAX_ERROR_CHARS), invocation);
    }
  }
  throw new UsageError("the input ended before the address was pasted; begin again");
}
