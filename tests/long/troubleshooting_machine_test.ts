import { assert, assertStringIncludes } from "@std/assert";
import { scripted, tool } from "../helpers/command_rig.ts";
import { Desk, signalPid } from "../helpers/desk.ts";
import { answerAsServer } from "../helpers/answering_server.ts";
import { FakeDesktop } from "../helpers/fake_desktop.ts";
import { assertShows, cure, symptom } from "../helpers/symptoms.ts";

const options = { ignore: Deno.build.os !== "linux", timeout: 300_000 };
const SAY = scripted({ "tools/list": { tools: [tool("say")] } });

Deno.test("a setting in the environment of a window", options, async () => {
  const one = symptom("Settings of a window are not used");
  await using desk = await Desk.open();
  const window = await desk.window({ env: { OPENAI_API_KEY: "sk-0123456789" } });
  assertShows(one, window.instructions);
  const settings = { port: 0, keychain: "off", ...JSON.parse(one.files[0]!) };
  await desk.write(".config/exai/exai.json", JSON.stringify(settings));
  assertStringIncludes(
    (await desk.run("exai-daemon reload; exai-daemon config check exai")).said,
    "3 settings",
  );
  assert(!(await desk.window()).instructions.includes("OPENAI_API_KEY"));
});

Deno.test("a window with a state directory of its own", options, async () => {
  const one = symptom("A window has a daemon of its own");
  await using desk = await Desk.open();
  const env = { EXAI_HOME: `${desk.home}/other`, EXAI_WS_PORT: "0" };
  const window = await desk.window({ env });
  await window.tools();
  const command = `${desk.home}/bin/exai-shim`;
  const write = (entry: object) =>
    desk.write(".cursor/mcp.json", JSON.stringify({ mcpServers: { exai: entry } }));
  await write({ command, env });
  assertShows(one, (await desk.run("exai-daemon doctor --quick")).said);
  await write({ command });
  await window.client.close();
  assertStringIncludes(await cure(desk, one), "has stopped");
});

Deno.test("a process that is left when its window is closed", options, async () => {
  const one = symptom("Processes are left, or hold much memory");
  await using desk = await Desk.open({ servers: { notes: SAY } });
  const window = await desk.window();
  await window.call("say");
  await window.client.close();
  assertShows(one, (await desk.run("exai-daemon ps")).said);
  await cure(desk, one);
});

Deno.test("a daemon that was killed", options, async () => {
  const one = symptom("The daemon was killed");
  await using desk = await Desk.open();
  await desk.run("exai-daemon call version");
  signalPid(JSON.parse(await Deno.readTextFile(desk.state("daemon.json"))).pid, "SIGKILL");
  assertShows(one, (await desk.run("sleep 1; exai-daemon doctor --quick")).said);
  await cure(desk, one);
});

/** Whether this user may make a file system. */
async function mayMount(): Promise<boolean> {
  const dir = await Deno.makeTempDir();
  const script = `mount -t tmpfs -o size=1m tmpfs ${dir} && umount ${dir}`;
  const { success } = await new Deno.Command("sh", { args: ["-c", script], stderr: "null" }).output();
  await Deno.remove(dir);
  return success;
}

Deno.test("a disk that is full", { ...options, ignore: options.ignore || !await mayMount() }, async () => {
  const one = symptom("The disk is full");
  await using desk = await Desk.open();
  const home = desk.state("");
  await desk.run(`mkdir -p ${home} && mount -t tmpfs -o size=4m,mode=700 tmpfs ${home}`);
  try {
    const window = await desk.window();
    await desk.run(`dd if=/dev/zero of=${home}/filler bs=4k count=2000`);
    assertShows(one, (await desk.run("exai-daemon doctor --quick")).said);
    assertStringIncludes(await window.call("version"), "version");
    const said = await cure(desk, one);
    assert(!said.includes("the disk is full"), said);
    await window.client.close();
    await desk.run("exai-daemon stop --force");
  } finally {
    await desk.run(`umount -l ${home}`);
  }
});

Deno.test("a keychain that is locked", options, async () => {
  const one = symptom("The keychain is locked");
  await using desktop = await FakeDesktop.open();
  await using desk = await Desk.open({
    settings: { keychain: "auto" },
    servers: { issues: { ...SAY, env: { TOKEN: "${secret:issues}" } } },
    env: { PATH: "" },
  });
  desk.env.PATH = `${desk.home}/bin:${desktop.env.PATH}`;
  // A daemon that a command starts looks there first.
  await desk.write(".profile", `PATH="${desktop.env.PATH}"`);
  const set = await desk.run("exai-daemon secret set issues", { input: "a secret" });
  assert(set.code === 0, set.said);
  await desktop.lock();
  await desk.run("exai-daemon call version");
  assertShows(one, (await desk.run("exai-daemon ps; exai-daemon doctor --quick")).said);
  await desktop.unlock();
  await cure(desk, one);
});

/** Makes an authority, and a certificate of it for this machine. */
const CERTIFICATES = `cd ~
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 5 -subj /CN=company
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost
echo subjectAltName=DNS:localhost > names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 5 -extfile names`;

Deno.test("a server whose certificate is of an authority of its own", options, async () => {
  const one = symptom("The certificate of a server is not trusted");
  await using desk = await Desk.open();
  await desk.run(CERTIFICATES);
  const [cert, key] = await Promise.all(
    ["server.pem", "server.key"].map((name) => Deno.readTextFile(`${desk.home}/${name}`)),
  );
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert: cert!, key: key!, onListen() {} },
    (request) => answerAsServer(request, [tool("say")]),
  );
  await desk.servers({ issues: { url: `https://localhost:${server.addr.port}/mcp` } });
  assertShows(one, (await desk.run("exai-daemon doctor")).said);
  await desk.run("exai-daemon call version");
  await cure(desk, one);
});

Deno.test("a proxy that is not there", options, async () => {
  const one = symptom("A proxy cannot be reached");
  await using desk = await Desk.open();
  const env = { HTTPS_PROXY: "http://127.0.0.1:9" };
  assertShows(one, (await desk.run("exai-daemon doctor", { env })).said);
  await cure(desk, one, { env });
});
