import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { loginRequired } from "../lib/auth/oauth/account_words.ts";
import { assertSecure, AuthServerError } from "../lib/auth/oauth/auth_fetch.ts";
import { checkedPage } from "../lib/auth/pending_login.ts";
import { LoginFile } from "../lib/commands/auth_actions/login_file.ts";
import { openLogin } from "../lib/commands/auth_actions/open_page.ts";
import { UnsecuredJWT } from "jose";
import { hasDesktop } from "../lib/config/desktop.ts";
import { CALLBACK, Rig } from "./helpers/oauth_rig.ts";
import { signIn } from "./helpers/scripted_auth.ts";

const LOGIN = "https://login.example/authorize?state=secret&x=%22%3E%3Cscript%3E";

const namesIn = (dir: string) => Array.fromAsync(Deno.readDir(dir), ({ name }) => name);

/** Runs with variables of this process set; undefined: not set. */
async function withVariables(variables: Record<string, string | undefined>, run: () => Promise<void>) {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  const set = (all: (readonly [string, string | undefined])[]) => {
    for (const [name, value] of all) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  };
  set(Object.entries(variables));
  try {
    await run();
  } finally {
    set(before);
  }
}

Deno.test("a browser is led on to a login by a file that the user alone can read, until the login ends", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai page " });
  const file = LoginFile.create(LOGIN, "a <b>", home)!;
  const path = fromFileUrl(file.url);
  const html = await Deno.readTextFile(path);
  assertStringIncludes(html, `href="${LOGIN.replaceAll("&", "&#38;")}"`);
  assertStringIncludes(html, "location.replace(");
  assertStringIncludes(html, "a &#60;b&#62;");
  const [dir = ""] = await namesIn(home);
  assertMatch(dir, /^exai-login-/, "not hidden: browsers in a sandbox read no hidden directories");
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(`${home}/${dir}`)).mode! & 0o777, 0o700);
  }
  file[Symbol.dispose]();
  assertEquals(await namesIn(home), []);
  assertEquals(LoginFile.create(LOGIN, "files", `${home}/missing`), undefined);
  await Deno.remove(home, { recursive: true });
});

Deno.test("what a command left that was killed is removed by a later login, and nothing else", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai page " });
  const hourAgo = new Date(Date.now() - 61 * 60_000);
  for (const name of ["exai-login-old", "exai-login-new", "exai-other"]) await Deno.mkdir(`${home}/${name}`);
  for (const name of ["exai-login-old", "exai-other"]) await Deno.utime(`${home}/${name}`, hourAgo, hourAgo);
  LoginFile.create(LOGIN, "files", home)![Symbol.dispose]();
  assertEquals((await namesIn(home)).sort(), ["exai-login-new", "exai-other"]);
  await Deno.remove(home, { recursive: true });
});

Deno.test("no browser is opened where it is not before the person, or cannot read the file", () => {
  const display = { DISPLAY: ":0" };
  assert(hasDesktop({ os: "linux", env: display }));
  assert(hasDesktop({ os: "windows", env: {} }));
  assertEquals(hasDesktop({ os: "linux", env: {} }), false);
  for (const name of ["SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME"]) {
    assertEquals(hasDesktop({ os: "linux", env: { ...display, [name]: "x" } }), false, name);
  }
});

Deno.test({
  name: "the program that opens the login is not told its address; one that fails leaves no file",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const home = await Deno.makeTempDir({ prefix: "exai-page-" });
    const bin = await Deno.makeTempDir({ prefix: "exai-page-" });
    const opener = (script: string) =>
      Deno.writeTextFile(`${bin}/xdg-open`, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
    const PATH = `${bin}:${Deno.env.get("PATH")}`;
    const desktop = {
      DISPLAY: ":0",
      SSH_CONNECTION: undefined,
      SSH_TTY: undefined,
      WSL_DISTRO_NAME: undefined,
    };
    await withVariables({ HOME: home, PATH, ...desktop }, async () => {
      await opener(`echo "$@" > ${bin}/arguments`);
      const opened = await openLogin(LOGIN, "files");
      const told = (await Deno.readTextFile(`${bin}/arguments`)).trim();
      assertMatch(told, /^file:\/\/\S+\/exai-login-\w+\/login\.html$/);
      assertStringIncludes(await Deno.readTextFile(fromFileUrl(told)), "state=secret");
      opened![Symbol.dispose]();
      await opener("exit 3");
      assertEquals(await openLogin(LOGIN, "files"), undefined);
      assertEquals(await namesIn(home), []);
    });
    for (const dir of [home, bin]) await Deno.remove(dir, { recursive: true });
  },
});

Deno.test("this machine is the same wherever it is asked for, and the command that signs in is one that can be run", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"]) {
    assertSecure(new URL(`http://${host}/`), new URL("http://localhost/"));
    assertEquals(checkedPage(`http://${host}/`), `http://${host}/`);
  }
  assertThrows(
    () => assertSecure(new URL("http://a.localhost/"), new URL("http://localhost/")),
    AuthServerError,
  );
  const config = { name: "my server", title: "T", url: "https://x.example/", oauth: undefined };
  const { message } = loginRequired(config, { resource: config.url, name: "work" }, undefined);
  assertStringIncludes(message, "run exai-daemon auth login 'my server' --account work");
});

Deno.test("a login says whom the authorization server has signed in, where that tells it", async () => {
  const token = (claims: Record<string, unknown>) => new UnsecuredJWT(claims).encode();
  const told: [string | undefined, string | undefined][] = [
    [token({ sub: "4711", name: "Ada", email: "ada@example.com" }), "ada@example.com"],
    [token({ sub: "4711", email: "", name: 5 }), "4711"],
    [token({ sub: "a\u001b[2J" }), "a\\x1b[2J"],
    [token({}), undefined],
    ["no token", undefined],
    [undefined, undefined],
  ];
  for (const [id_token, person] of told) {
    await using rig = new Rig({
      token: () => Response.json({ access_token: "a", token_type: "Bearer", id_token }),
    });
    const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
    assertEquals(await rig.account.finishLogin(await signIn(authorizationUrl)), person);
    assertEquals((await rig.store.read(rig.account.id))!.tokens!.id_token, undefined, "it is not kept");
  }
});
