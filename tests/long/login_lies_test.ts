import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { HostileAuthorization, type Hostility } from "../helpers/hostile_authorization.ts";
import { addressIn, LoginRig, type LoginWindow } from "../helpers/login_rig.ts";
import { visit } from "../helpers/person.ts";
import { until } from "../helpers/until.ts";

const ignore = Deno.build.os === "windows";

/** A body that never ends. */
function endless(status: number): Response {
  const chunk = new TextEncoder().encode(" ".repeat(65_536));
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }), {
    status,
    headers: { "content-type": "application/json" },
  });
}

interface Lie {
  lie(it: HostileAuthorization): Hostility;
  /** What the person is told, by the tool or by the page. */
  says: RegExp;
  /** Whether it is seen before the person is sent to a browser: the tool tells of it then, and not the page. */
  isSeenBefore?: boolean;
}

const html = () => new Response("<html>maintenance</html>", { headers: { "content-type": "text/html" } });

/** What an authorization server, or the server that names it, may do; none of it may sign anybody in. */
const LIES: Record<string, Lie> = {
  wrong_iss: {
    lie: (it) => ({ callback: (honest) => (honest.set("iss", it.origin("stranger")), honest) }),
    says: /\biss|issuer/i,
  },
  no_iss: {
    lie: () => ({ callback: (honest) => (honest.delete("iss"), honest) }),
    says: /\biss|issuer/i,
  },
  other_issuer: {
    lie: (it) => ({ metadata: (honest) => Response.json({ ...honest, issuer: it.origin("stranger") }) }),
    says: /issuer/i,
    isSeenBefore: true,
  },
  metadata_moved: {
    lie: (it) => ({ metadata: () => Response.redirect(`${it.origin("stranger")}/metadata`, 302) }),
    says: /redirect|metadata/i,
    isSeenBefore: true,
  },
  metadata_endless: {
    lie: () => ({ metadata: () => endless(200) }),
    says: /more than \d+ MiB/,
    isSeenBefore: true,
  },
  metadata_html: { lie: () => ({ metadata: html }), says: /metadata/i, isSeenBefore: true },
  no_pkce: {
    lie: () => ({
      metadata: (honest) => Response.json({ ...honest, code_challenge_methods_supported: ["plain"] }),
    }),
    says: /PKCE|S256|code.challenge/i,
    isSeenBefore: true,
  },
  other_resource: {
    lie: (it) => ({
      resource: (honest) => Response.json({ ...honest, resource: `${it.origin("stranger")}/mcp` }),
    }),
    says: /resource/i,
    isSeenBefore: true,
  },
  page_is_script: {
    lie: () => ({
      metadata: (honest) => Response.json({ ...honest, authorization_endpoint: "javascript:alert(1)//" }),
    }),
    says: /not OAuth|https/,
    isSeenBefore: true,
  },
  page_is_file: {
    lie: () => ({
      metadata: (honest) => Response.json({ ...honest, authorization_endpoint: "file:///etc/passwd" }),
    }),
    says: /https/,
    isSeenBefore: true,
  },
  token_in_clear: {
    lie: () => ({
      metadata: (honest) => Response.json({ ...honest, token_endpoint: "http://auth.example.invalid/token" }),
    }),
    says: /https|TLS|secure/i,
  },
  token_moved: {
    lie: (it) => ({ token: () => Response.redirect(`${it.origin("stranger")}/token`, 307) }),
    says: /redirect/i,
  },
  token_fails: { lie: () => ({ token: () => new Response("oops", { status: 500 }) }), says: /500/ },
  token_html: { lie: () => ({ token: html }), says: /JSON|token/i },
  token_endless: { lie: () => ({ token: () => endless(200) }), says: /more than \d+ MiB/ },
  token_injects: {
    lie: () => ({ token: () => Response.json({ access_token: "a\r\nX-Evil: 1", token_type: "bearer" }) }),
    says: /token/i,
  },
  said_no: {
    lie: (it) => ({
      callback: (honest) =>
        new URLSearchParams({
          error: "access_denied",
          error_description: "not <b>you</b>",
          state: honest.get("state")!,
          iss: it.origin("authorization"),
        }),
    }),
    says: /access_denied|not &lt;b|said no|declined/i,
  },
};

/** What is said of a login at `name` that cannot be: by the tool, or on the page. */
async function refusalOf(one: LoginWindow, { name, isSeenBefore = false }: Liar): Promise<string> {
  await one.shows(`${name}__login`);
  const said = await one.said(`${name}__login`);
  if (isSeenBefore) {
    assert(!said.includes("state="), `${name}: ${said}`);
    return said;
  }
  const { page, status } = await visit(addressIn(said));
  assert(status >= 400, `${name}: ${status} ${page}`);
  assert(!page.includes("<b>you</b>"), page);
  return page;
}

interface Liar extends Lie {
  name: string;
  it: HostileAuthorization;
}

Deno.test({
  name:
    "whoever lies about a login is refused with the reason, is told nothing, and may be believed when it is honest",
  ignore,
  timeout: 180_000,
  fn: async () => {
    await using hosts = new AsyncDisposableStack();
    const liars: Liar[] = Object.entries(LIES).map(([name, lie]) => ({
      name,
      ...lie,
      it: hosts.use(new HostileAuthorization()),
    }));
    for (const { it, lie } of liars) it.hostility = lie(it);
    await using rig = await LoginRig.start({
      servers: Object.fromEntries(liars.map(({ name, it }) => [name, it.url])),
    });
    const one = await rig.window();
    await one.tools();
    for (const liar of liars) {
      const { name, it, says } = liar;
      assertMatch(await refusalOf(one, liar), says, name);
      assertEquals(it.leaked, [], name);
      assertEquals(it.received.filter(({ host }) => host === "stranger"), [], name);
      assert(!(await one.tools()).includes(`${name}__ping`), name);
      it.hostility = {};
    }
    for (const { name, it } of liars) {
      await one.shows(`${name}__login`);
      const { status, page } = await one.signIn(name);
      assertEquals(status, 200, `${name}: ${page}`);
      await one.shows(`${name}__ping`);
      assertEquals(await one.said(`${name}__ping`), "pong", name);
      assertEquals(it.leaked, [], name);
    }
  },
});

Deno.test(
  "an answer of a browser counts once, and only with the state of the login that waits",
  { ignore },
  async () => {
    await using it = new HostileAuthorization();
    await using rig = await LoginRig.start({ servers: { files: it.url } });
    const one = await rig.window();
    await one.shows("files__login");
    const address = addressIn(await one.said("files__login"));
    const redirect = new URL(new URL(address).searchParams.get("redirect_uri")!);
    assertEquals(redirect.hostname, "127.0.0.1");
    for (const params of ["code=stolen&state=guessed", "code=stolen", "error=access_denied&state=guessed"]) {
      const forged = new URL(redirect);
      forged.search = params;
      const answer = await fetch(forged);
      assert(answer.status >= 400);
      await answer.body?.cancel();
    }
    assertEquals(it.count("/token"), 0);
    const back = await visit(address, { stopsAt: redirect.href });
    const first = await visit(back.url);
    assertEquals(first.status, 200, first.page);
    const again = await visit(back.url).catch(() => undefined);
    assert(again === undefined || again.status >= 400, again?.page);
    assertEquals(it.count("/token"), 1);
    await one.shows("files__ping");
  },
);

Deno.test(
  "a lifetime that is no number, or none at all, asks for no token without need",
  { ignore },
  async () => {
    await using hosts = new AsyncDisposableStack();
    const lifetimes: unknown[] = ["soon", "3600", -5, 0, 1e300, null, undefined];
    const liars = lifetimes.map((expires_in, i) => {
      const it = hosts.use(new HostileAuthorization());
      it.hostility = { token: async (_, honest) => Response.json({ ...await honest(), expires_in }) };
      return { it, name: `s${i}`, expires_in };
    });
    await using rig = await LoginRig.start({
      servers: Object.fromEntries(liars.map(({ name, it }) => [name, it.url])),
    });
    const one = await rig.window();
    for (const { it, name, expires_in } of liars) {
      await one.shows(`${name}__login`);
      const { status, page } = await one.signIn(name);
      assertEquals(status, 200, `${expires_in}: ${page}`);
      await one.shows(`${name}__ping`);
      for (let i = 0; i < 10; i++) assertEquals(await one.said(`${name}__ping`), "pong");
      assert(it.count("/token") <= 12, `${expires_in}: ${it.count("/token")} requests for tokens`);
    }
  },
);

Deno.test(
  "a server that refuses every token, or asks for ever more, is not asked without end",
  { ignore },
  async () => {
    await using refusing = new HostileAuthorization();
    await using greedy = new HostileAuthorization();
    let scopes = 0;
    greedy.hostility = {
      serve(bearer, { method }) {
        if (method !== "tools/call" || bearer === undefined) return undefined;
        const challenge = `Bearer error="insufficient_scope", scope="s${++scopes}"`;
        return new Response(null, { status: 403, headers: { "www-authenticate": challenge } });
      },
    };
    await using rig = await LoginRig.start({ servers: { refusing: refusing.url, greedy: greedy.url } });
    const one = await rig.window({ person: {} });
    await one.shows("refusing__login");
    refusing.hostility = {
      serve: () =>
        new Response(null, { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } }),
    };
    await one.said("refusing__login");
    await one.said("refusing__ping");
    assert(refusing.count("/authorize") <= 4, `${refusing.count("/authorize")} logins`);
    assert(refusing.count("/token") <= 8, `${refusing.count("/token")} requests for tokens`);
    await one.said("greedy__login");
    await one.shows("greedy__ping");
    const before = greedy.count("/authorize");
    assertMatch(await one.said("greedy__ping"), /scope/);
    assert(greedy.count("/authorize") - before <= 3, `${greedy.count("/authorize") - before} logins`);
  },
);

Deno.test("a refresh that is refused, redirected or broken sends nothing astray and keeps what there is", {
  ignore,
}, async () => {
  await using it = new HostileAuthorization();
  it.expiresIn = 1;
  await using rig = await LoginRig.start({ servers: { files: it.url } });
  const one = await rig.window();
  await one.shows("files__login");
  await one.signIn("files");
  await one.shows("files__ping");
  const faults: Hostility["token"][] = [
    () => Response.redirect(`${it.origin("stranger")}/token`, 307),
    () => new Response("busy", { status: 503 }),
    html,
    () => endless(200),
  ];
  for (const token of faults) {
    it.hostility = { token };
    it.accepted.clear();
    const said = await one.said("files__ping");
    assert(said !== "pong", said);
    assert(!/auth login/.test(said), `the login is not at fault: ${said}`);
    it.hostility = {};
    await until("an answer", async () => await one.said("files__ping") === "pong" || undefined);
  }
  assertEquals(it.count("/authorize"), 1);
  assertEquals(it.leaked, []);
  assertEquals(it.received.filter(({ host }) => host === "stranger"), []);
  it.hostility = { token: () => Response.json({ error: "invalid_grant" }, { status: 400 }) };
  it.accepted.clear();
  assertStringIncludes(await one.said("files__ping"), "auth login files");
});
