import { assert, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { answerAsServer } from "../helpers/answering_server.ts";
import { AuthorizationServer } from "../helpers/authorization.ts";
import { scripted, tool } from "../helpers/command_rig.ts";
import { Desk, type DeskWindow } from "../helpers/desk.ts";
import { addressIn } from "../helpers/login_rig.ts";
import { bad } from "../helpers/mounts.ts";
import { visit } from "../helpers/person.ts";
import { assertShows, cure, symptom } from "../helpers/symptoms.ts";
import { until } from "../helpers/until.ts";

const options = { ignore: Deno.build.os !== "linux", timeout: 300_000 };
const WHERE = fromFileUrl(new URL("../fixtures/where_server.ts", import.meta.url));
const SAY = scripted({ "tools/list": { tools: [tool("say")] } });
const where = (more: JsonObject) => ({
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", WHERE],
  ...more,
});
/** A server that ends with `words` on stderr. */
const dying = (words: string) => ({
  command: Deno.execPath(),
  args: ["eval", `console.error(${JSON.stringify(words)}); Deno.exit(1)`],
  share: "machine",
});
/** What stands in a shell for the program of {@linkcode SAY}. */
const shellOf = ({ command, args }: JsonObject) =>
  `exec ${[command, ...args as string[]].map((word) => `'${word}'`).join(" ")}`;

/** All that a call of a tool that cannot be called says, once it is what the page shows. */
async function says(window: DeskWindow, name: string, shown: (said: string) => void): Promise<void> {
  let last: unknown;
  await until(`the symptom of ${name}`, async () => {
    const said = await window.call(name);
    try {
      shown(said);
      return true;
    } catch (thrown) {
      last = thrown;
      return undefined;
    }
  }, 60_000).catch(() => {
    throw last;
  });
}

Deno.test("an entry with a misspelt key", options, async () => {
  const one = symptom("An entry of mcp.json has a fault");
  await using desk = await Desk.open({ servers: { notes: { ...SAY, shared: "machine" } } });
  const window = await desk.window();
  assertShows(one, window.instructions);
  await desk.servers({ notes: SAY });
  await cure(desk, one);
  assertStringIncludes(await window.call("say"), '"name":"say"');
});

Deno.test("an entry that names a secret that is not set", options, async () => {
  const one = symptom("A variable or a secret is not set");
  await using desk = await Desk.open({ servers: { notes: { ...SAY, env: { TOKEN: "${secret:notes}" } } } });
  const window = await desk.window();
  assertShows(one, window.instructions);
  await cure(desk, one, { input: "a secret" });
  assertStringIncludes(await window.call("say"), '"name":"say"');
});

Deno.test("a program that only the terminal has", options, async () => {
  const one = symptom("A program is not found");
  await using desk = await Desk.open({ servers: { notes: { command: "notes-server" } } });
  const window = await desk.window();
  await says(window, "notes__say", (said) => assertShows(one, said));
  await desk.program("tools/notes-server", shellOf(SAY));
  await cure(desk, one, { env: { PATH: `${desk.home}/bin/tools:${desk.env.PATH}` } });
  assertStringIncludes(await window.call("say"), '"name":"say"');
});

Deno.test("a server whose Node.js is too old", options, async () => {
  const one = symptom("A server ends at once");
  await using desk = await Desk.open();
  // Two that stand for Node.js: what matters is which is started.
  await desk.write(".profile", 'PATH="$HOME/bin:$PATH"');
  await desk.program("node", "echo 'SyntaxError: Unexpected token ?' >&2; exit 1");
  await desk.program("newer/node", shellOf(SAY));
  await desk.servers({ notes: { command: "node", args: [`${desk.home}/notes.js`], share: "machine" } });
  const window = await desk.window();
  await says(window, "notes__say", (said) => assertShows(one, said));
  const said = await cure(desk, one, { env: { PATH: `${desk.home}/bin/newer:${desk.env.PATH}` } });
  assertStringIncludes(said, "SyntaxError");
  assertStringIncludes(await window.call("say"), '"name":"say"');
});

Deno.test("a server that crashes again and again", options, async () => {
  const one = symptom("A server rests after crashes");
  await using desk = await Desk.open({ servers: { notes: dying("cannot open notes.db") } });
  const window = await desk.window();
  await says(window, "notes__say", (said) => assertShows(one, said));
  await desk.servers({ notes: SAY });
  await cure(desk, one);
  assertStringIncludes(await window.call("say"), '"name":"say"');
});

Deno.test("a server that nobody is signed in to", options, async () => {
  const one = symptom("A server needs a login");
  await using as = await AuthorizationServer.start();
  await using desk = await Desk.open({ servers: { issues: { url: as.url("both", "issues") } } });
  // Stands for the browser: it is given a file that leads on to the page.
  await desk.program("xdg-open", 'echo "$1" > ~/opened');
  const window = await desk.window();
  const tools = await until("a list", async () => {
    const names = (await window.tools()).filter((name) => name.startsWith("issues"));
    return names.length > 0 ? names : undefined;
  });
  assertStringIncludes(tools.join(), "issues__login");
  assertShows(one, (await desk.run("exai-daemon doctor")).said);
  const signedIn = cure(desk, one, { env: { DISPLAY: ":0" } });
  const opened = await until(
    "a page",
    () => Deno.readTextFile(`${desk.home}/opened`).then((text) => text || undefined, () => undefined),
    60_000,
  );
  const page = opened.trim().startsWith("http")
    ? opened.trim()
    : addressIn((await Deno.readTextFile(opened.trim().replace(/^file:\/\//, ""))).replaceAll("&#38;", "&"));
  await visit(page.replace(/["'<].*$/s, ""), { account: "ada" });
  await signedIn;
  await until("its tools", async () => (await window.tools()).includes("whoami") || undefined);
});

Deno.test("a server that refuses the key", options, async () => {
  const one = symptom("A server behind a URL refuses the key");
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.headers.get("authorization") !== "Bearer a-new-key") {
      return new Response("no", { status: 401 });
    }
    return await answerAsServer(request, [tool("say")]);
  });
  const entry = (Authorization: string) => ({
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    headers: { Authorization },
  });
  await using desk = await Desk.open({ servers: { issues: entry("Bearer an-old-key") } });
  assertShows(one, (await desk.run("exai-daemon doctor")).said);
  await desk.servers({ issues: entry("Bearer ${secret:issues}") });
  await cure(desk, one, { input: "a-new-key" });
});

Deno.test("two servers with a tool of one name", options, async () => {
  const one = symptom("Two servers have a tool of the same name");
  await using desk = await Desk.open({ servers: { notes: SAY, files: { ...SAY, env: { OTHER: "1" } } } });
  const said = await cure(desk, one);
  assertShows(one, said);
});

Deno.test("a call that waits for another window's", options, async () => {
  const one = symptom("A call waits");
  await using desk = await Desk.open({ servers: { notes: bad("serves", { maxInflight: 1 }) } });
  const [ada, bob] = [await desk.window({ name: "ada" }), await desk.window({ name: "bob" })];
  const held = ada.call("serves_hold");
  const running = async (outcome: string) =>
    JSON.parse((await desk.run(`exai-daemon calls --outcome=${outcome} --json`)).said) as JsonObject[];
  const { id } = await until("a call that is held", async () => (await running("running"))[0], 60_000);
  const waiting = bob.call("serves_echo", { text: "my turn" });
  let said = "";
  await until("a call that waits", async () => {
    said = (await desk.run("exai-daemon ps")).said;
    return said.includes("WHO WAITS") || undefined;
  }, 60_000);
  assertShows(one, said);
  await cure(desk, one, { values: { ID: String(id) } });
  assertStringIncludes(await held, "cancelled");
  assertStringIncludes(await waiting, "my turn");
});

Deno.test("a call that takes longer than it may", options, async () => {
  const one = symptom("A call takes too long");
  const notes = bad("serves");
  await using desk = await Desk.open({ servers: { notes: { ...notes, callTimeoutMs: 1500 } } });
  const window = await desk.window();
  await window.call("serves_echo", { text: "begin" });
  assertShows(one, await window.call("serves_hold"));
  const { command: _, ...keys } = JSON.parse(one.files[0]!).mcpServers.notes;
  await desk.servers({ notes: { ...notes, ...keys } });
  await desk.run("exai-daemon reload");
  assertStringIncludes(await window.call("serves_hold"), "await_call");
});

Deno.test("a process that windows of two directories share", options, async () => {
  const one = symptom("A server works in another directory");
  await using desk = await Desk.open({ servers: { notes: where({ share: "machine" }) } });
  await desk.write("blog/README", "another project");
  // The process has the directory of the window that it is started for.
  assert((await (await desk.window()).call("where")).endsWith("/shop"));
  const blog = await desk.window({ cwd: `${desk.home}/blog` });
  assert(!(await blog.call("where")).endsWith("/blog"));
  assertShows(one, (await desk.run("exai-daemon ps --why")).said);
  await desk.servers({ notes: where({ share: "project" }) });
  await desk.run("exai-daemon reload");
  assert((await blog.call("where")).endsWith("/blog"));
  await cure(desk, one);
});

Deno.test("a window in the home directory", options, async () => {
  const one = symptom("A server needs a directory");
  const notes = { ...SAY, args: [...SAY.args as string[], "${workspaceFolder}"] };
  await using desk = await Desk.open({ servers: { notes } });
  assertShows(one, (await desk.window({ cwd: desk.home })).instructions);
  await cure(desk, one);
});
