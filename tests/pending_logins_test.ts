import { assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { AccountId } from "../lib/auth/credential_store.ts";
import type { LoginAccount } from "../lib/auth/login/login_account.ts";
import { checkedPage, pastedAnswer, type PendingLogin } from "../lib/auth/pending_login.ts";
import { PendingLogins } from "../lib/auth/pending_logins.ts";
import { canBeOther, talkAsOther } from "./helpers/other_user.ts";
import { until } from "./helpers/until.ts";

/** An account whose authorization server is played by the test. */
class PlayedAccount implements LoginAccount {
  readonly id: AccountId;
  begun = 0;
  /** The parameters that logins ended with. */
  readonly ends: string[] = [];
  redirectUrl = "";
  refusal: Error | undefined;
  person: string | undefined;
  /** The port that its client is registered with. */
  port: number | undefined;
  /** Redeeming takes until this resolves. */
  redeemed: Promise<unknown> = Promise.resolve();

  constructor(name = "default") {
    this.id = { resource: "https://mcp.example/", name };
  }

  registeredPort(): Promise<number | undefined> {
    return Promise.resolve(this.port);
  }

  beginLogin({ redirectUrl }: { redirectUrl: string }) {
    this.begun++;
    this.redirectUrl = redirectUrl;
    return Promise.resolve({ authorizationUrl: "https://login.example/authorize?x=1", state: "right" });
  }

  async finishLogin(params: URLSearchParams): Promise<string | undefined> {
    this.ends.push(params.toString());
    await this.redeemed;
    if (this.refusal) throw this.refusal;
    return this.person;
  }
}

const requestOf = (account: LoginAccount) => ({ account, server: "files" });

/** Goes where the authorization server sends the browser. */
async function answer(account: PlayedAccount, query: string, init?: RequestInit) {
  const response = await fetch(`${account.redirectUrl}?${query}`, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The same as it is sent. */
function requestTo({ redirectUrl }: PlayedAccount): string {
  const { host, pathname } = new URL(redirectUrl);
  return `GET ${pathname}?code=c&state=right HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
}

const isOfThisMachine = (wanted: string) =>
  Deno.networkInterfaces().some(({ address }) => address === wanted);

const reasonOf = (login: PendingLogin) =>
  login.done.then(() => "done", ({ code, message }) => `${code} ${message}`);

Deno.test("whoever needs a login of one account while it is pending joins it, and all are told when it is done", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  const [one, two] = await Promise.all([logins.begin(requestOf(account)), logins.begin(requestOf(account))]);
  assertEquals(account.begun, 1);
  assertEquals(one, two);
  assertEquals(one.prompt, { kind: "browser", url: "https://login.example/authorize?x=1" });
  const other = await logins.begin(requestOf(new PlayedAccount("work")));
  assertEquals(other === one, false);
  const page = await answer(account, "code=c&state=right&iss=https%3A%2F%2Flogin.example");
  assertEquals(page.status, 200);
  assertStringIncludes(page.text, "You are signed in to files");
  assertEquals(account.ends, ["code=c&state=right&iss=https%3A%2F%2Flogin.example"]);
  await one.done;
  assertEquals(await logins.withId(one.id), one, "for whoever asks what became of it");
  assertEquals(await logins.withId("another"), undefined);
  assertEquals(await logins.withId(other.id), other);
});

Deno.test("the address takes one answer, of its own login, by the browser, and nothing else", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  const login = await logins.begin(requestOf(account));
  for (
    const query of ["code=c&state=wrong", "code=c", "code=c&code=d&state=right", "code=c&state=right&state=x"]
  ) {
    const stray = await answer(account, query);
    assertEquals(stray.status, 400, query);
    assertStringIncludes(stray.text, "belongs to no sign-in");
  }
  for (const method of ["HEAD", "POST", "OPTIONS"]) {
    assertEquals((await answer(account, "code=c&state=right", { method })).status, 405);
  }
  const { port } = new URL(account.redirectUrl);
  assertEquals(
    await fetch(`http://localhost:${port}/callback?code=c&state=right`).then(async (
      it,
    ) => (await it.text(), it.status)),
    421,
  );
  assertEquals(
    await fetch(`http://127.0.0.1:${port}/favicon.ico`).then(async (it) => (await it.text(), it.status)),
    404,
  );
  assertEquals(account.ends, []);
  const replayed = Promise.withResolvers<void>();
  account.redeemed = replayed.promise;
  const first = answer(account, "code=c&state=right");
  while (account.ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals((await answer(account, "code=c&state=right")).status, 400);
  replayed.resolve();
  assertEquals((await first).status, 200);
  assertEquals(account.ends.length, 1);
  await login.done;
});

Deno.test("the page says why nobody is signed in, with nothing in it that a browser would run", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  account.refusal = new ExaiError("UPSTREAM_UNAVAILABLE", "refused: <script>alert('x')</script> & more");
  const login = await logins.begin(requestOf(account));
  const page = await answer(account, "error=access_denied&state=right");
  assertEquals(page.status, 400);
  assertStringIncludes(page.text, "You are not signed in to files");
  assertStringIncludes(page.text, "&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62; &#38; more");
  assertMatch(page.headers.get("content-security-policy")!, /default-src 'none'.*frame-ancestors 'none'/);
  assertEquals(page.headers.get("referrer-policy"), "no-referrer");
  assertEquals(page.headers.get("cache-control"), "no-store");
  assertMatch(await reasonOf(login), /^UPSTREAM_UNAVAILABLE refused/);
  const next = await logins.begin(requestOf(account));
  assertEquals(account.begun, 2);
  assertEquals(next === login, false);
});

Deno.test("the page and the login say who has signed in, where the authorization server tells it", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  account.person = "ada & <b>@example.com";
  const login = await logins.begin(requestOf(account));
  const finish = account.finishLogin.bind(account);
  // As it is with an account: all are told of it before it is done.
  account.finishLogin = async (params) => {
    logins.signedIn(account.id);
    await new Promise((resolve) => setTimeout(resolve));
    return await finish(params);
  };
  const told = login.done.then(() => login.person);
  const page = await answer(account, "code=c&state=right");
  assertStringIncludes(page.text, "The account is that of ada &#38; &#60;b&#62;@example.com.");
  assertEquals(await told, account.person);
});

Deno.test("a login that nobody ends is over after its time, and its address is closed", async () => {
  await using logins = new PendingLogins({ timeoutMs: 20 });
  const account = new PlayedAccount();
  const login = await logins.begin(requestOf(account));
  assertMatch(await reasonOf(login), /^TIMEOUT nobody has signed in/);
  await logins[Symbol.asyncDispose]();
  await assertRejects(() => answer(account, "code=c&state=right"), TypeError);
});

Deno.test("whoever has answered in time is signed in, however long the rest takes", async () => {
  await using logins = new PendingLogins({ timeoutMs: 20 });
  const account = new PlayedAccount();
  const redeemed = Promise.withResolvers<void>();
  account.redeemed = redeemed.promise;
  const login = await logins.begin(requestOf(account));
  // At once, whatever else the machine does: through a browser it could come too late.
  const finished = login.finish(pastedAnswer("?code=c&state=right"));
  // One that begins now ends later.
  assertMatch(await reasonOf(await logins.begin(requestOf(new PlayedAccount("work")))), /^TIMEOUT/);
  redeemed.resolve();
  await finished;
  assertEquals(await reasonOf(login), "done");
});

Deno.test("a login ends when the account is signed in to another way, and when the daemon stops", async () => {
  const logins = new PendingLogins();
  const [account, other] = [new PlayedAccount(), new PlayedAccount("work")];
  const login = await logins.begin(requestOf(account));
  const waiting = await logins.begin(requestOf(other));
  logins.signedIn({ ...account.id });
  assertEquals(await reasonOf(login), "done");
  await logins[Symbol.asyncDispose]();
  assertMatch(await reasonOf(waiting), /^SHUTTING_DOWN/);
  await assertRejects(() => logins.begin(requestOf(account)), ExaiError, "stopping");
});

Deno.test("a login that cannot begin leaves nothing behind, and the next one begins anew", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  const beginLogin = account.beginLogin.bind(account);
  account.beginLogin = (options) => (beginLogin(options), Promise.reject(new Error("it is down")));
  await assertRejects(() => logins.begin(requestOf(account)), Error, "it is down");
  await assertRejects(() => answer(account, "code=c&state=right"), TypeError);
  account.beginLogin = beginLogin;
  assertEquals((await logins.begin(requestOf(account))).account, account.id);
});

Deno.test("an answer may be pasted, whole or its query; that of another login is refused and ends nothing", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  const login = await logins.begin(requestOf(account));
  await assertRejects(() => login.finish(pastedAnswer("?code=c&state=wrong")), ExaiError, "another sign-in");
  assertEquals(account.ends, []);
  await login.finish(pastedAnswer(` "http://127.0.0.1:1/callback?code=c&state=right#x" \n`));
  assertEquals(account.ends, ["code=c&state=right"]);
  await login.done;
  for (const text of ["", "http://127.0.0.1:1/callback", "code=only", "https://login.example/"]) {
    const thrown = assertThrows(() => pastedAnswer(text), ExaiError, "paste the whole address");
    assertEquals(thrown.message.includes("only"), false);
  }
});

Deno.test("the port that a client is registered with is used again while it is free", async () => {
  await using logins = new PendingLogins();
  const portOf = async (account: PlayedAccount) => {
    const login = await logins.begin(requestOf(account));
    const { port } = new URL(account.redirectUrl);
    return { login, port: Number(port) };
  };
  const first = await portOf(new PlayedAccount("first"));
  const again = new PlayedAccount("again");
  again.port = first.port;
  const taken = await portOf(again);
  assertEquals(taken.port === first.port, false, "another login has it");
  const ended = reasonOf(first.login);
  logins.signedIn(first.login.account);
  assertEquals(await ended, "done");
  logins.signedIn(taken.login.account);
  await until("the port again", async () => {
    const { login, port } = await portOf(again);
    logins.signedIn(login.account);
    return port === first.port || undefined;
  });
});

Deno.test("a redirect address that was registered is used as it was", async () => {
  await using logins = new PendingLogins();
  const account = new PlayedAccount();
  const redirect = { address: "http://localhost/oauth/callback" };
  const login = await logins.begin({ ...requestOf(account), redirect });
  assertMatch(account.redirectUrl, /^http:\/\/localhost:\d+\/oauth\/callback$/);
  const { port } = new URL(account.redirectUrl);
  const taken = { ...requestOf(new PlayedAccount("work")), redirect: { port: Number(port) } };
  const refused = await assertRejects(() => logins.begin(taken), ExaiError, `the port ${port}`);
  assertEquals(refused.code, "CONFIG");
  const taking = { ...requestOf(new PlayedAccount("home")), redirect: { ...redirect, port: Number(port) } };
  await assertRejects(() => logins.begin(taking), ExaiError, `the port ${port}`);
  assertEquals((await answer(account, "code=c&state=right")).status, 200);
  await login.done;
});

Deno.test("a browser reaches the redirect address at whatever address it takes localhost for", async () => {
  await using logins = new PendingLogins();
  for (const hostname of ["127.0.0.1", "::1"].filter(isOfThisMachine)) {
    const account = new PlayedAccount();
    const redirect = { address: "http://localhost/callback" };
    const login = await logins.begin({ ...requestOf(account), redirect });
    using connection = await Deno.connect({ hostname, port: Number(new URL(account.redirectUrl).port) });
    await connection.write(new TextEncoder().encode(requestTo(account)));
    assertStringIncludes(await new Response(connection.readable).text(), "You are signed in");
    await login.done;
  }
});

Deno.test({
  name: "the browser of another user of the machine cannot end a login",
  ignore: !canBeOther,
  fn: async () => {
    await using logins = new PendingLogins();
    const account = new PlayedAccount();
    const login = await logins.begin(requestOf(account));
    const { hostname, port } = new URL(account.redirectUrl);
    const said = await talkAsOther({ hostname, port: Number(port) }, requestTo(account));
    assertMatch(said, /^HTTP\/1\.1 403 [^]*not known to be yours[^]*auth login files --paste/);
    assertEquals(account.ends, []);
    assertEquals((await answer(account, "code=c&state=right")).status, 200);
    await login.done;
  },
});

Deno.test("only pages that a browser opens safely are shown to people", () => {
  assertEquals(checkedPage("https://login.example/a?b=c"), "https://login.example/a?b=c");
  assertEquals(checkedPage(new URL("http://127.0.0.1:8/x")), "http://127.0.0.1:8/x");
  assertEquals(checkedPage("http://127.0.0.2:8/x"), "http://127.0.0.2:8/x");
  const refused = [
    "http://login.example/",
    "http://login.localhost/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "ms-settings:",
    "https://user:secret@login.example/",
    "no address",
  ];
  for (const url of refused) assertThrows(() => checkedPage(url), ExaiError, "not opened");
});
