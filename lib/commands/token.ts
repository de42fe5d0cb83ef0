import { ExaiError, messageOf } from "../base/errors.ts";
import { statePaths } from "../config/paths.ts";
import { AUTO_TOKEN } from "../config/token_rule.ts";
import type { Settings } from "../config/settings.ts";
import { askDaemon } from "../client/daemon_client.ts";
import type { CommandGroup, CommandResult, Invocation } from "./command.ts";
import { accessHome } from "./home_access.ts";
import { noTokenFileError, readTokenFile, writeNewToken } from "../edge/token.ts";

export const tokenCommand: CommandGroup = {
  summary: "Make a new token, also while the daemon runs, or print it",
  actions: {
    rotate: {
      summary: "Make a new token, also while the daemon runs",
      forms: [{ args: "", does: "makes a new token, also while the daemon runs" }],
      run: rotate,
    },
    show: {
      summary: "Print the token",
      forms: [{ args: "", does: "prints the token, for clients that are configured by hand" }],
      run: show,
    },
  },
};

/** @throws {ExaiError} `CONFIG` when the token is not in a file */
function checkInFile({ token }: Settings): void {
  if (token !== AUTO_TOKEN) throw new ExaiError("CONFIG", noTokenFileError(token).message);
}

async function rotate({ settings }: Invocation): Promise<CommandResult> {
  checkInFile(settings);
  const paths = statePaths(settings);
  // The running daemon must learn of the new token, or it rejects clients that read it.
  const ask = async () => {
    const { grace_s: graceS } = await askDaemon(settings, "/token/rotate", "POST");
    return {
      text:
        `The token in ${paths.token} is new. New connections need it; the old one still works for ${graceS} s.`,
      json: { path: paths.token, grace_s: graceS },
    };
  };
  const alone = async () => {
    await writeNewToken(paths.token);
    return {
      text: `The token in ${paths.token} is new. No daemon runs; the next one will ask for it.`,
      json: { path: paths.token },
    };
  };
  return await accessHome(settings, { ask, alone });
}

async function show({ settings }: Invocation): Promise<CommandResult> {
  checkInFile(settings);
  const { token: path } = statePaths(settings);
  const found = await readTokenFile(path).catch((thrown) => {
    throw new ExaiError("CONFIG", `the token file ${path} cannot be used: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  });
  if (found) return { text: found, json: { token: found, path } };
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no token in ${path} yet; the daemon makes one when it starts`,
  );
}
