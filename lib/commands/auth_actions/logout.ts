import { UsageError } from "../../base/errors.ts";
import { ownEntry } from "../../base/json.ts";
import { MINUTE_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { askDaemon } from "../../client/daemon_client.ts";
import { ensureDaemon } from "../../client/daemon_session.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { MAX_ERROR_CHARS } from "../table.ts";
import { ACCOUNT_FLAG, targetOf } from "./account_flag.ts";

export const logoutAction: Action = {
  summary: "Sign out of a server, for every window",
  forms: [{
    args: "SERVER",
    does:
      "forgets the tokens of an account, and has the authorization server revoke them where it offers that",
  }],
  flags: [ACCOUNT_FLAG],
  exits: { 1: "nobody was signed in, or it did not work" },
  run: logout,
};

async function logout(invocation: Invocation): Promise<CommandResult> {
  const { args: [server], settings } = invocation;
  if (server === undefined) {
    throw new UsageError("auth logout takes the name of a server; exai-daemon auth status shows them");
  }
  await ensureDaemon(invocation);
  const query = new URLSearchParams(targetOf(server, invocation));
  const { revocation, why } = await askDaemon(settings, `/auth/logout?${query}`, "POST", REVOKE_MS);
  if (revocation === "signed_out_before") {
    return {
      text: visible(`nobody is signed in to ${server}`, MAX_ERROR_CHARS),
      json: { server, revocation },
      code: EXIT.no,
    };
  }
  return {
    text: visible(
      `signed out of ${server}${ownEntry(ENDS, String(revocation)) ?? ""}${
        why === undefined ? "" : `: ${why}`
      }`,
      MAX_ERROR_CHARS,
    ),
    json: { server, revocation, why },
  };
}

/** How long it may take: a renewal that is under way comes first, and the authorization server revokes the tokens. */
const REVOKE_MS = 4 * MINUTE_MS;

const ENDS: Readonly<Record<string, string>> = {
  revoked: "; its tokens are revoked",
  not_offered: "; the authorization server offers no way to revoke the tokens, which end by themselves",
  failed: "; the authorization server has not revoked the tokens, which end by themselves",
};
