import { Accounts } from "../../lib/auth/accounts.ts";
import type { OAuthAccount } from "../../lib/auth/oauth/account.ts";
import { statePaths } from "../../lib/config/paths.ts";
import type { UrlServerConfig } from "../../lib/config/server_config.ts";
import { openUserVault } from "../../lib/state/user_vault.ts";
import { removeHome } from "./files.ts";
import { type ScriptedAuth, signIn } from "./scripted_auth.ts";

/** A home whose account at `auth` is signed in to, with tokens that have just ended. */
export async function signedInHome(auth: ScriptedAuth) {
  const home = await Deno.makeTempDir({ prefix: "exai-renewal-" });
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { far: { url: auth.url } } }));
  const { credentials } = openUserVault({ paths: statePaths({ home }) });
  const config = { name: "far", title: "far", url: auth.url, headers: {} } as never as UrlServerConfig;
  const account: OAuthAccount = new Accounts({ store: credentials }).of(config);
  const { authorizationUrl } = await account.beginLogin({ redirectUrl: "http://127.0.0.1:9/callback" });
  await account.finishLogin(await signIn(authorizationUrl));
  await credentials.change(account.id, (kept) => Promise.resolve({ ...kept!, expiresAtMs: Date.now() - 1 }));
  auth.expire();
  const tokens = async () => (await credentials.read(account.id))?.tokens;
  return { home, tokens, [Symbol.asyncDispose]: () => removeHome(home) };
}

/** Whether a process, as {@linkcode processesOf} shows it, renews tokens for another. */
export function isRenewal(commandLine: string): boolean {
  return commandLine.includes("auth\0refresh\0");
}

/** The processes of `home`, each with its command line and its environment; none where the system does not show them. */
export async function processesOf(home: string): Promise<{ pid: number; text: string }[]> {
  if (Deno.build.os !== "linux") return [];
  const all: { pid: number; text: string }[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string) => Deno.readTextFile(`/proc/${name}/${file}`).catch(() => "");
    const environment = await read("environ");
    if (environment.includes(home)) {
      all.push({ pid: Number(name), text: await read("cmdline") + environment });
    }
  }
  return all;
}
