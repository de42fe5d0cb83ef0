import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Accounts } from "../../lib/auth/accounts.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { openUserVault } from "../../lib/state/user_vault.ts";
import { AuthorizationServer, misused, refreshes } from "../helpers/authorization.ts";
import { removeHome } from "../helpers/files.ts";
import { visit } from "../helpers/person.ts";

const user = fromFileUrl(new URL("../fixtures/account_user.ts", import.meta.url));

const PROCESSES = 4;
const SECONDS = 6;
const REDIRECT_URL = "http://127.0.0.1:9/callback";

Deno.test("processes of one home renew the tokens of an account one after another, each token once", async () => {
  await using as = await AuthorizationServer.start({ accessTokenSeconds: 2, tokenDelayMs: 200 });
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-account-" }));
  const { credentials } = openUserVault({
    paths: statePaths(defaultSettings({ home })),
    usesKeychain: false,
  });
  const url = as.url("modern");
  const account = new Accounts({ store: credentials }).of({ name: "files", title: "files", url });
  const { authorizationUrl } = await account.beginLogin({ redirectUrl: REDIRECT_URL });
  const back = await visit(authorizationUrl.href, { stopsAt: REDIRECT_URL });
  await account.finishLogin(new URL(back.url).searchParams);
  const args = ["run", "-A", "--no-check", user, home, url, String(SECONDS)];
  const said = await Promise.all(Array.from({ length: PROCESSES }, async () => {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  }));
  for (const text of said) assertMatch(text, /^answered \d+\n$/);
  const record = await as.record();
  assert(refreshes(record).length >= 2, "tokens have ended");
  assertEquals(misused(record), { twice: [], atOnce: [] });
  assertEquals([record.logins.length, record.replays], [1, 0]);
  assert(refreshes(record).every(({ status }) => status === 200));
  await removeHome(home);
});
