import { ExaiError, messageOf } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { statePaths } from "../config/paths.ts";
import { AUTO_TOKEN } from "../config/token_rule.ts";
import type { Settings } from "../config/settings.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { type Command, type Invocation } from "./command.ts";
import { accessHome } from "./home_access.ts";
import { noTokenFileError, readTokenFile, writeNewToken } from "../edge/token.ts";

export const tokenCommand: Command = {
  summary: "Make a new token, also while the daemon runs, or print it",
  forms: [
    { args: "rotate", does: "makes a new token, also while the daemon runs" },
    { args: "show", does: "prints the token, for clients that are configured by hand" },
  ],
  run: token,
};

/** @throws {ExaiError} `CONFIG` for an unknown action, `INVALID_PARAMS` when the token is not in a file */
async function token({ args, settings, usage }: Invocation): Promise<string> {
  const [word, ...rest] = args;
  if (rest.length > 0 || (word !== "rotate" && word !== "show")) {
    throw new ExaiError(
      "CONFIG",
      `${quoteName(args.join(" "))} is nothing to do with the token; ${usage}`,
    );
  }
  if (settings.token !== AUTO_TOKEN) throw noTokenFileError(settings.token);
  return word === "rotate" ? await rotate(settings) : await show(settings);
}

async function rotate(settings: Settings): Promise<string> {
  const paths = statePaths(settings);
  // The running daemon must learn of the new token, or it rejects clients that read it.
  const ask = async () => {
    const { grace_s: graceS } = await askDaemon(settings, "/token/rotate", "POST");
    return `The token in ${paths.token} is new. New connections need it; the old one still works for ${graceS} s.`;
  };
  const alone = async () => {
    await writeNewToken(paths.token);
    return `The token in ${paths.token} is new. No daemon runs; the next one will ask for it.`;
  };
  return await accessHome(settings, { ask, alone });
}

async function show(settings: Settings): Promise<string> {
  const { token: path } = statePaths(settings);
  const found = await readTokenFile(path).catch((thrown) => {
    throw new ExaiError("CONFIG", `the token file ${path} cannot be used: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  });
  if (found) return found;
  throw new ExaiError(
    "INVALID_PARAMS",
    `there is no token in ${path} yet; the daemon makes one when it starts`,
  );
}
