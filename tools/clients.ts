/**
 * Runs clients that others wrote against the real shim and daemon, each in a home of its own, and says which tools their
 * first conversations see. `--help` lists the flags.
 */
import { parseArgs } from "@std/cli/parse-args";
import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { dirname, join } from "@std/path";
import { CLIENTS, type RealClient } from "./clients/clients.ts";
import { type ScriptedModel, startModel } from "./clients/model.ts";
import { endTree } from "./lib/end_tree.ts";
import { freePort } from "./lib/free_port.ts";
import { hold, tempDir } from "./lib/held.ts";
import { commandFor, SOURCE } from "./lib/programs.ts";
import { progress, runTool, UsageError } from "./lib/run_tool.ts";
import { formatTable } from "./lib/table.ts";

const HELP = `deno task clients [--runs N] [--only NAME] [--bin DIR] [--shim PATH]

  --runs N     homes for each client; 3
  --only NAME  this client alone; may be given several times: ${
  CLIENTS.map(({ program }) => program).join(", ")
}
  --bin DIR    where their programs are (node_modules/.bin); else they are looked up in PATH
  --shim PATH  the shim, compiled or shim.ts

In each home: one conversation on which no daemon runs and nothing is known of the three servers in mcp.json (npx), and
then, once their lists are known, a second one.`;

const CONVERSATION_MS = 120_000;
const WARM_MS = 120_000;
const POLL_MS = 200;

/** One tool of each server, to tell that its list is there. */
const MOUNTED = { files: "read_text_file", memory: "create_entities", thinking: "sequentialthinking" };

/** One of EXAI's own tools whose name no client has itself. */
const OWN = "codereview";

/** What the conversations of one client saw. */
interface Seen {
  runs: number;
  own: number;
  /** Servers seen, of all that could be. */
  mounted: number;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["runs", "only", "bin", "shim"],
    collect: ["only"],
    unknown: (arg: string) => {
      throw new UsageError(`${arg} is no flag of this tool; --help lists them`);
    },
  });
  if (flags.help) return say(HELP);
  const wanted = CLIENTS.filter(({ program }) => flags.only.length === 0 || flags.only.includes(program));
  if (wanted.length === 0) throw new UsageError("--only names no client; --help lists them");
  await using model = await startModel();
  const rows: string[][] = [];
  for (const client of wanted) {
    const [fresh, known] = [noneSeen(), noneSeen()];
    for (let run = 1; run <= Number(flags.runs ?? 3); run++) {
      progress(`${client.name}, home ${run}`);
      const home = await openHome(flags.shim ?? SOURCE.shim);
      await converse(client, { home, model, bin: flags.bin, seen: fresh });
      await home.untilListed();
      await converse(client, { home, model, bin: flags.bin, seen: known });
      await home.end();
    }
    rows.push([client.name, ...columns(fresh), ...columns(known)]);
  }
  say(formatTable(["client", "first: own", "mounted", "second: own", "mounted"], rows));
}

function noneSeen(): Seen {
  return { runs: 0, own: 0, mounted: 0 };
}

function columns({ runs, own, mounted }: Seen): string[] {
  return [`${own} of ${runs}`, `${mounted} of ${runs * Object.keys(MOUNTED).length}`];
}

/** The directory of the client and of EXAI, with three servers to mount. */
async function openHome(shim: string) {
  const path = await tempDir("exai-clients-");
  const exai = join(path, "exai");
  await Deno.mkdir(join(path, "work"), { recursive: true });
  await Deno.mkdir(exai);
  // The daemon is given none of a window's variables, so it looks for packages there.
  await Deno.symlink(npmCache(), join(path, ".npm"));
  const npx = (name: string, ...args: string[]) => ({
    command: "npx",
    args: ["-y", `@modelcontextprotocol/server-${name}`, ...args],
  });
  const mcpServers = {
    files: npx("filesystem", "${workspaceFolder}"),
    memory: npx("memory"),
    thinking: npx("sequential-thinking"),
  };
  await Deno.writeTextFile(join(exai, "mcp.json"), JSON.stringify({ mcpServers }));
  const { command, args } = commandFor(shim);
  const port = String(freePort());
  const env = {
    EXAI_HOME: exai,
    EXAI_WS_PORT: port,
    ENV_FILE: "",
    DENO_DIR: denoDir(),
  };
  const end = async () => {
    const { pid } = JSON.parse(await Deno.readTextFile(join(exai, "daemon.json")).catch(() => "{}"));
    if (pid !== undefined) await endTree(pid, { graceMs: 5000 });
  };
  hold("process", end);
  return {
    path,
    shim: { command, args: [...args], env },
    end,
    /** Resolves once the daemon knows the list of every server, as another window would see it. */
    untilListed: () => deadline(listed(`http://127.0.0.1:${port}`, join(path, "work")), WARM_MS),
  };
}

type Home = Awaited<ReturnType<typeof openHome>>;

/** In one session, as some servers run for one session alone. */
async function listed(url: string, cwd: string): Promise<void> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "x-exai-cwd": cwd,
  };
  const post = async (body: object) => {
    const message = JSON.stringify({ jsonrpc: "2.0", ...body });
    const response = await fetch(`${url}/mcp`, { method: "POST", headers, body: message });
    const session = response.headers.get("mcp-session-id");
    if (session) headers["mcp-session-id"] = session;
    return await response.text();
  };
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "clients", version: "1" },
  };
  // A client that is done before its servers have started leaves no daemon behind: this asks until one is there.
  while (await post({ id: 1, method: "initialize", params }).catch(() => undefined) === undefined) {
    await delay(POLL_MS);
  }
  for (let id = 2;; id++) {
    const tools = await post({ id, method: "tools/list" });
    if (Object.values(MOUNTED).every((name) => tools.includes(`"name":"${name}"`))) break;
    await delay(POLL_MS);
  }
  await (await fetch(`${url}/mcp`, { method: "DELETE", headers })).body?.cancel();
}

/** One conversation; what it saw is counted in `seen`. */
async function converse(
  client: RealClient,
  { home, model, bin, seen }: { home: Home; model: ScriptedModel; bin: string | undefined; seen: Seen },
): Promise<void> {
  const { args, env, files } = client.converse(home.shim, model.url);
  for (const [name, text] of Object.entries(files)) {
    const path = join(name.startsWith(".mcp") ? join(home.path, "work") : home.path, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
  const before = model.offers.length;
  const command = new Deno.Command(bin ? join(bin, client.program) : client.program, {
    args,
    cwd: join(home.path, "work"),
    env: { HOME: home.path, DENO_DIR: denoDir(), npm_config_cache: npmCache(), NO_COLOR: "1", ...env },
    stdin: "null",
    signal: AbortSignal.timeout(CONVERSATION_MS),
  });
  const { stdout, stderr } = await command.output().catch((thrown: Error) => {
    throw new UsageError(
      `${client.program} cannot be run (${thrown.message}); npm install ${client.package}, and --bin`,
    );
  });
  const printed = new TextDecoder().decode(stdout);
  const names = client.shows === "on stdout"
    ? [...printed.matchAll(/"name": ?"([\w-]+)"/g)].map(([, name]) => name!)
    : model.offers[before] ?? [];
  if (names.length === 0) {
    progress(`${client.name} saw no tools: ${new TextDecoder().decode(stderr).slice(-500)}`);
  }
  const has = (tool: string) => names.some((name) => name.endsWith(tool));
  seen.runs++;
  if (has(OWN)) seen.own++;
  seen.mounted += Object.values(MOUNTED).filter(has).length;
}

function denoDir(): string {
  return Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? ".", ".cache", "deno");
}

function npmCache(): string {
  return Deno.env.get("npm_config_cache") ?? join(Deno.env.get("HOME") ?? ".", ".npm");
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(main, { name: "clients", deadlineMs: 3 * 60 * 60_000 });
