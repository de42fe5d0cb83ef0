import type { AccountTarget } from "../admin/auth_routes.ts";
import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { variablesIn } from "../base/template.ts";
import { quoteName } from "../base/text.ts";
import type { Caller } from "../call/call.ts";
import {
  accountNames,
  loginToolName,
  mayBeSignedInTo,
  onlyAccount,
  whyNoLogin,
} from "../config/account_choice.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { slotRequestFor } from "../upstream/slot_request.ts";

/**
 * The configuration of a server with the account that a person names.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND`, `INVALID_PARAMS` with what there is
 */
export function configOfAccount(
  servers: readonly MountedServer[],
  { server: name, account }: AccountTarget,
): UrlServerConfig {
  const { config } = serverNamed(servers, name);
  if (!mayBeSignedInTo(config)) {
    throw new ExaiError("INVALID_PARAMS", `server "${name}" ${whyNoLogin(config)}`);
  }
  if (isAddressOfWindow(config)) {
    const why = `the address of server "${name}" depends on the window; have a window call ${
      loginToolName(name)
    }`;
    throw new ExaiError("INVALID_PARAMS", why);
  }
  const names = accountNames(config);
  const known = names.join(", ");
  if (account === undefined && names.length > 1) {
    throw new ExaiError(
      "INVALID_PARAMS",
      `server "${name}" has several accounts (${known}); say which: --account NAME`,
    );
  }
  if (account !== undefined && !names.includes(account)) {
    const why = `server "${name}" has no account ${quoteName(account)}${
      didYouMean(account, names)
    }; it has: ${known}`;
    throw new ExaiError("RESOURCE_NOT_FOUND", `${why}. "accounts" in its entry in mcp.json names them`);
  }
  return { ...config, account: account ?? names[0] };
}

/** @throws {ExaiError} `RESOURCE_NOT_FOUND` */
export function serverNamed(servers: readonly MountedServer[], name: string): MountedServer {
  const server = servers.find((server) => server.name === name);
  if (server) return server;
  const suggestion = didYouMean(name, servers.map(({ name }) => name));
  const why = `no server ${quoteName(name)} is mounted${suggestion}; exai-daemon servers list shows them`;
  throw new ExaiError("RESOURCE_NOT_FOUND", why);
}

/** The configuration of a server as it is for a window: its account, and its address. */
export async function configFor({ config }: MountedServer, caller: Caller): Promise<UrlServerConfig> {
  const account = onlyAccount(config);
  // Nothing is asked of the client where nothing depends on the window: under load its answer may be late.
  if (mayBeSignedInTo(config) && account !== undefined && !isAddressOfWindow(config)) {
    return { ...config, account };
  }
  const options = { isolationReason: undefined, asksRoots: () => false, daemonId: undefined };
  const { config: bound } = await slotRequestFor(config, caller, options);
  if (bound.kind !== "stdio") return bound;
  throw new ExaiError("INTERNAL", `server "${config.name}" is a program`);
}

/** Whether a server is elsewhere for each window: that is known once one has used it. */
export function isAddressOfWindow({ url }: UrlServerConfig): boolean {
  return variablesIn(url).length > 0 || !URL.canParse(url);
}
