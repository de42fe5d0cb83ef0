import { assert, assertEquals } from "@std/assert";
import { Accounts } from "../../lib/auth/accounts.ts";
import type { OAuthAccount } from "../../lib/auth/oauth/account.ts";
import { statePaths } from "../../lib/config/paths.ts";
import type { UrlServerConfig } from "../../lib/config/server_config.ts";
import { openUserVault } from "../../lib/state/user_vault.ts";
import { diagnoseByProgram } from "../helpers/doctor.ts";
import { removeHome } from "../helpers/files.ts";
import { startDaemon } from "../helpers/program.ts";
import { ScriptedAuth, signIn } from "../helpers/scripted_auth.ts";
import { until } from "../helpers/until.ts";

/** A home whose account at `auth` is signed in to, with tokens that have just ended. */
async function signedInHome(auth: ScriptedAuth) {
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

Deno.test("a daemon that is killed while tokens are renewed does not lose the login", async () => {
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  const before = await signedIn.tokens();
  auth.script.token = async () => {
    asked.resolve();
    await goOn.promise;
    return undefined;
  };
  {
    // It reads the lists of a server of which it has none, for which it needs a token that is good.
    await using daemon = await startDaemon({ home: signedIn.home });
    await asked.promise;
    daemon.process.kill("SIGKILL");
    await daemon.process.status;
    // As a service manager does with what is left of a service.
    for (const { pid, text } of await processesOf(signedIn.home)) {
      if (isRenewal(text)) Deno.kill(pid, "SIGTERM");
    }
  }
  assertEquals(await signedIn.tokens(), before);
  goOn.resolve();
  const after = await until("new tokens in the vault", async () => {
    const tokens = await signedIn.tokens();
    return tokens?.access_token === before?.access_token ? undefined : tokens;
  });
  assert(auth.refresh.has(after!.refresh_token!), "the one that is worth something");
  assertEquals(auth.replayed, []);
});

Deno.test("nothing secret is in the arguments or the environment of the process that renews tokens", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const seen = Promise.withResolvers<string>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  const { access_token, refresh_token } = (await signedIn.tokens())!;
  auth.script.token = async () => {
    seen.resolve((await processesOf(signedIn.home)).map(({ text }) => text).join("\n"));
    return undefined;
  };
  await using _daemon = await startDaemon({ home: signedIn.home });
  const text = await seen.promise;
  assert(isRenewal(text), "it renews by a process of its own");
  for (const secret of [access_token, refresh_token!]) assert(!text.includes(secret));
});

Deno.test("doctor, too, renews by a process of its own: what ends it in the middle loses no login", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const seen = Promise.withResolvers<string[]>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  auth.script.token = async () => {
    seen.resolve((await processesOf(signedIn.home)).map(({ text }) => text));
    return undefined;
  };
  await diagnoseByProgram({ home: signedIn.home, args: ["--wait=5"] });
  assert((await seen.promise).some(isRenewal));
  assert(auth.refresh.has((await signedIn.tokens())!.refresh_token!), "the one that is worth something");
});

function isRenewal(commandLine: string): boolean {
  return commandLine.includes("auth\0refresh\0");
}

/** The processes of `home`, each with its command line and its environment; none where the system does not show them. */
async function processesOf(home: string): Promise<{ pid: number; text: string }[]> {
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
