import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AuthorizationServer, refreshes } from "../helpers/authorization.ts";
import { Canaries, type Found } from "../helpers/canaries.ts";
import { addressIn, LoginRig } from "../helpers/login_rig.ts";
import { visit } from "../helpers/person.ts";
import { UrlServer } from "../helpers/url_server.ts";
import { until } from "../helpers/until.ts";

/** What the user keeps as secrets, by name. */
const SECRETS = {
  stdio_key: "canary-stdio-key-4f1b90",
  header_key: "canary-header-key-c3a772",
  client_key: "canary-client-secret-91e0d4",
  command_key: "canary-command-key-0b5e3d",
  helper_key: "canary-helper-key-77aa10",
};

const leakyServer = fromFileUrl(new URL("../fixtures/leaky_server.ts", import.meta.url));

/** A server whose process has the secret, and its name in the command line. */
const leaky = (secret?: string) => ({
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", leakyServer, secret ?? "no_secret"],
  env: secret === undefined ? {} : { UPSTREAM_SECRET: `\${secret:${secret}}` },
});

/** Servers that are given secrets in every way there is. */
function entries(as: AuthorizationServer, plain: UrlServer, helper: string) {
  return {
    files: { url: as.url("both"), prefix: "files__" },
    confidential: {
      url: as.url("legacy", "confidential"),
      prefix: "confidential__",
      oauth: { clientId: "confidential", clientSecret: "${secret:client_key}" },
    },
    leaky: { ...leaky("stdio_key"), prefix: "leaky__" },
    by_command: { ...leaky("command_key"), prefix: "by_command__" },
    innocent: { ...leaky(), prefix: "innocent__" },
    plain: { url: plain.url, headers: { "x-api-key": "${secret:header_key}" }, prefix: "plain__" },
    helped: { url: plain.url, headersHelper: ["/bin/sh", helper], prefix: "helped__" },
  };
}

const CONFIDENTIAL = {
  client_id: "confidential",
  client_secret: SECRETS.client_key,
  redirect_uris: ["http://127.0.0.1/callback"],
  application_type: "native",
  grant_types: ["authorization_code", "refresh_token"],
};

/** Where a secret has to be: in the process that it was given to. */
function isMeant({ where, secret }: Found): boolean {
  return where.endsWith(`leaky_server.ts ${secret} `) ||
    // What the user wrote for this test.
    /\/(helper\.sh|command\.sh)$/.test(where) ||
    // The authorization server is told its clients by its arguments.
    where.includes("authorization_server.ts");
}

Deno.test({
  name: "no token and no secret is found in any file, log, process, error or answer",
  ignore: Deno.build.os !== "linux",
  timeout: 300_000,
  fn: async () => {
    const canaries = new Canaries();
    await using as = await AuthorizationServer.start({ accessTokenSeconds: 2, clients: [CONFIDENTIAL] });
    await using plain = new UrlServer();
    const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-canary-" }));
    const print = (text: string) => `#!/bin/sh\nprintf '%s' '${text}'\n`;
    await Deno.writeTextFile(`${dir}/helper.sh`, print(JSON.stringify({ "x-key": SECRETS.helper_key })));
    await Deno.writeTextFile(`${dir}/command.sh`, print(SECRETS.command_key));
    await using rig = await LoginRig.start({
      servers: entries(as, plain, `${dir}/helper.sh`),
      settings: { secrets: { command_key: { command: ["/bin/sh", `${dir}/command.sh`] } } },
      env: { LOG_LEVEL: "trace", ...await desktopIn(dir) },
      secrets: Object.fromEntries(
        Object.entries(SECRETS).filter(([name]) => !["command_key", "helper_key"].includes(name)),
      ),
      canaries,
    });
    await using _watching = canaries.watch(rig.home);
    const ada = await rig.window({ person: { account: "ada" } });
    await ada.tools();
    for (const server of ["files", "confidential"]) {
      canaries.say(`${server}__login`, await ada.said(`${server}__login`));
      await ada.shows(`${server}__whoami`);
      canaries.say(server, JSON.stringify(await ada.told(`${server}__whoami`)));
    }
    canaries.say("write", JSON.stringify(await ada.told("files__write")));
    for (
      const tool of [
        "leaky__fail",
        "leaky__die",
        "by_command__fail",
        "innocent__fail",
        "plain__ping",
        "helped__ping",
      ]
    ) {
      canaries.say(tool, await ada.said(tool));
    }
    await until("two refreshes", async () => {
      await ada.told("files__whoami");
      return refreshes(await as.record()).length >= 2 || undefined;
    });
    await as.set({ tokenFault: { status: 500 } });
    await until("a refusal", async () => {
      const said = await ada.said("files__whoami");
      canaries.say("files__whoami", said);
      return !said.startsWith("{") || undefined;
    });
    await as.set({ tokenFault: null });
    await sayEverything(rig, ada, canaries);
    await rig.restart();
    canaries.say("after a restart", JSON.stringify(await ada.told("files__whoami")));
    const ended = await rig.run("auth", "logout", "files");
    canaries.say("auth logout", ended.stdout + ended.stderr);
    const login = await signInByCommand(rig, dir);
    canaries.say("the shim's stderr", ada.shim.stderr);
    canaries.say("all that the client heard", ada.shim.lines.join("\n"));
    const tokens = (await as.record()).secrets.map((
      secret,
      i,
    ) => [`token ${i}: ${secret.slice(0, 6)}...`, secret]);
    assert(tokens.length > 10, "tokens were given");
    const secrets = { ...SECRETS, login, ...Object.fromEntries(tokens) };
    assertEquals(await canaries.find(rig.home, secrets, isMeant), []);
    assert(canaries.processCount > 5, "the list of processes was watched");
    await Deno.remove(dir, { recursive: true });
  },
});

/** The variables of a person at a desktop whose home is `dir`, with a browser that notes what it was given. */
async function desktopIn(dir: string): Promise<Record<string, string>> {
  const script = `#!/bin/sh\necho "$@" > ${dir}/opened\nsleep 1\n`;
  await Deno.writeTextFile(`${dir}/xdg-open`, script, { mode: 0o700 });
  const { HOME, PATH, DENO_DIR = `${HOME}/.cache/deno` } = Deno.env.toObject();
  const nowhere = { SSH_CONNECTION: "", SSH_TTY: "", WSL_DISTRO_NAME: "" };
  return { HOME: dir, PATH: `${dir}:${PATH}`, DENO_DIR, DISPLAY: ":0", ...nowhere };
}

/** Signs in as a person does whose browser is opened; returns what nobody else may know of the login. */
async function signInByCommand(rig: LoginRig, dir: string): Promise<string> {
  await using command = rig.interactive("auth", "login", "files");
  const url = addressIn(await command.says(/has opened in your browser[^]*state=\S+\s/));
  const state = new URL(url).searchParams.get("state")!;
  const file = fromFileUrl((await Deno.readTextFile(`${dir}/opened`)).trim());
  assertStringIncludes(await Deno.readTextFile(file), state, "the browser is led on");
  await visit(url, { account: "ada" });
  assertEquals((await command.end()).code, 0);
  await assertRejects(() => Deno.stat(file), Deno.errors.NotFound);
  return state;
}

/** Has everything said that the daemon says of itself. */
async function sayEverything(
  rig: LoginRig,
  ada: Awaited<ReturnType<LoginRig["window"]>>,
  canaries: Canaries,
) {
  for (const tool of ["health", "activity", "listmodels", "version"]) {
    canaries.say(tool, await ada.said(tool));
  }
  for (const path of ["/health", "/metrics", "/status", "/calls"]) {
    canaries.say(path, await (await fetch(new URL(path, rig.http))).text());
  }
  const commands = [
    ["auth", "status"],
    ["auth", "status", "--json"],
    ["secret", "list"],
    ["secret", "list", "--json"],
    ["servers", "list", "--json"],
    ["config", "show"],
    ["status", "--json"],
    ["ps", "--json"],
    ["calls", "--json"],
    ["doctor", "--json"],
    ["logs"],
  ];
  await Promise.all(commands.map(async (words) => {
    const { stdout, stderr } = await rig.run(...words);
    canaries.say(words.join(" "), stdout + stderr);
    if (words.join(" ") === "secret list") assertStringIncludes(stdout, "stdio_key");
  }));
}
