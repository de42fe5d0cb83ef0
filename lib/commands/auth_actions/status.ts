import type { AccountRow } from "../../admin/auth_routes.ts";
import { ownEntry } from "../../base/json.ts";
import { MINUTE_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { askDaemon } from "../../client/daemon_client.ts";
import { ensureDaemon } from "../../client/daemon_session.ts";
import { loginCommand } from "../../config/account_choice.ts";
import type { Settings } from "../../config/settings.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { formatTable, MAX_ERROR_CHARS } from "../table.ts";

/** A keychain may be waited for, which asks for a password. */
const READ_MS = MINUTE_MS;

export const statusAction: Action = {
  summary: "Show which servers are signed in to, and which need a login",
  forms: [{ args: "[SERVER]", does: "the accounts of every server behind a URL, or of one" }],
  exits: { 1: "an account needs a login" },
  run: status,
};

/** The accounts of one server, or of all; for a person, who may have unlocked the keychain, or for a program. */
export async function readAccounts(
  settings: Settings,
  server: string | undefined,
  by: "person" | "program",
): Promise<AccountRow[]> {
  const query = new URLSearchParams({ by, ...(server === undefined ? {} : { server }) });
  const { accounts } = await askDaemon(settings, `/auth?${query}`, "GET", READ_MS);
  return accounts as AccountRow[];
}

async function status({ args: [server], settings, own, switches }: Invocation): Promise<CommandResult> {
  await ensureDaemon({ settings, own });
  const accounts = await readAccounts(settings, server, switches.has("json") ? "program" : "person");
  const needing = accounts.filter(({ state }) => state === "login_required");
  const advice = needing.map(({ server, account, why }) => {
    return visible(
      `${server}: ${why ?? "needs a login"}; ${loginCommand({ server, account })}`,
      MAX_ERROR_CHARS,
    );
  });
  const table = accounts.length === 0
    ? server === undefined ? "no server of mcp.json is behind a URL" : `${server} is not signed in to`
    : formatTable(["SERVER", "ACCOUNT", "STATE", "SIGNED IN WITH", "TOKEN ENDS"], accounts.map(rowOf), {
      optional: ["TOKEN ENDS", "SIGNED IN WITH"],
    });
  return {
    text: [table, ...(advice.length > 0 ? ["", ...advice] : [])].join("\n"),
    json: { accounts },
    code: needing.length > 0 ? EXIT.no : EXIT.done,
  };
}

const STATES: Readonly<Record<AccountRow["state"], string>> = {
  signed_in: "signed in",
  login_required: "needs a login",
  signed_out: "not signed in",
};

function rowOf(
  { server, account, state, issuer, expires_at: end, is_renewed: isRenewed }: AccountRow,
): unknown[] {
  return [
    server,
    account,
    ownEntry(STATES, state),
    issuer,
    isRenewed && state === "signed_in" ? "renewed by itself" : end,
  ];
}
