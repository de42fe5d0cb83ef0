import { ExaiError, messageOf } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import type { LoadedSettings } from "../config/load.ts";
import { statePaths } from "../config/paths.ts";
import { AUTO_TOKEN } from "../config/token_rule.ts";
import type { Settings } from "../config/settings.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { accessHome } from "./home_access.ts";
import { noTokenFileError, readTokenFile, writeNewToken } from "../edge/token.ts";

const USAGE = "token rotate | token show";

/**
 * Runs `exai-daemon token ...`.
 *
 * @param args what follows `token`
 * @returns what to print; the token itself only for `show`
 * @throws {ExaiError} `CONFIG` for what is no action, `INVALID_PARAMS` when the token is not in a file
 */
export async function tokenCommand(
  args: readonly string[],
  { settings }: Pick<LoadedSettings, "settings">,
): Promise<string> {
  const [word, ...rest] = args;
  if (rest.length > 0 || (word !== "rotate" && word !== "show")) {
    throw new ExaiError("CONFIG", `${quoteName(args.join(" "))} is nothing to do with the token; ${USAGE}`);
  }
  if (settings.token !== AUTO_TOKEN) throw noTokenFileError(settings.token);
  return word === "rotate" ? await rotate(settings) : await show(settings);
}

async function rotate(settings: Settings): Promise<string> {
  const paths = statePaths(settings);
  // A daemon that runs must hear of it, or it would refuse those who read the new one.
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
  const token = await readTokenFile(path).catch((thrown) => {
    throw new ExaiError("CONFIG", `the token file ${path} cannot be used: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  });
  if (token) return token;
  throw new ExaiError(
    "INVALID_PARAMS",
    `there is no token in ${path} yet; the daemon makes one when it starts`,
  );
}
