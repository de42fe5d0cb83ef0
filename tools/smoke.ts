/**
 * Sees EXAI work from end to end: two WebSocket clients at once, then two shims at once, each with hello, the list of
 * tools and `version`. Uses the daemon that runs, or one of its own. The last line is `smoke: ok` if all went well.
 */
import { parseArgs } from "@std/cli/parse-args";
import { runTool, UsageError } from "./lib/run_tool.ts";
import { formatTable } from "./lib/table.ts";
import { overWebSocket, type Seen, throughShim } from "./smoke/clients.ts";
import {
  givenDaemon,
  isPair,
  ownDaemon,
  runningDaemon,
  startedByShim,
  type Subject,
} from "./smoke/servers.ts";

const DEADLINE_MS = 120_000;

const HELP = `deno task smoke [--url ws://HOST:PORT/ [--token TOKEN]] [--daemon PATH] [--shim PATH]

  --url, --token  the daemon to check; otherwise the one that runs where the settings say, or a private one
  --daemon PATH   start this daemon: an executable, or a .ts file
  --shim PATH     use this shim; one that lies beside the daemon must also start it by itself`;

interface Options {
  url?: string;
  token?: string;
  daemon?: string;
  shim?: string;
}

async function smoke(): Promise<void> {
  const options = readOptions();
  if (!options) return say(HELP);
  const subject = await findSubject(options);
  say(`smoke: ${subject.note}`);
  const seen = [
    ...subject.seen,
    ...await both((n) => overWebSocket(`WebSocket ${n}`, subject.server)),
    ...await both((n) => throughShim(`shim ${n}`, subject.shim)),
  ];
  const rows = seen.map((one) => [
    one.client,
    String(one.tools),
    one.version,
    one.elapsedMs.toFixed(0),
  ]);
  say(formatTable(["client", "tools", "version", "ms"], rows));
  compare(seen);
}

async function findSubject({ url, token, daemon, shim }: Options): Promise<Subject> {
  if (url) return await givenDaemon({ url, token }, shim);
  if (shim && !shim.endsWith(".ts") && (!daemon || isPair(daemon, shim))) return await startedByShim(shim);
  if (daemon) return await ownDaemon(daemon, shim);
  return await runningDaemon(shim) ?? await ownDaemon(undefined, shim);
}

/** Runs `client` twice at the same time. */
function both(client: (n: number) => Promise<Seen>): Promise<Seen[]> {
  return Promise.all([client(1), client(2)]);
}

/** @throws when the clients have not all seen the same daemon, each in a session of its own */
function compare(seen: readonly Seen[]): void {
  const [first] = seen;
  for (const one of seen) {
    if (one.tools === 0) throw new Error(`${one.client}: the list of tools is empty`);
    if (one.tools !== first!.tools) {
      throw new Error(`${one.client} was listed ${one.tools} tools, ${first!.client} ${first!.tools}`);
    }
    if (one.version === "" || one.version !== first!.version) {
      throw new Error(
        `${one.client} was told version "${one.version}", ${first!.client} "${first!.version}"`,
      );
    }
  }
  const sessions = seen.flatMap(({ session }) => session ?? []);
  if (new Set(sessions).size < sessions.length) throw new Error("two clients were given the same session");
}

function readOptions(): Options | undefined {
  const known = ["url", "token", "daemon", "shim"];
  const unknown: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(Deno.args, {
    string: known,
    boolean: ["help"],
    unknown: (arg: string) => {
      unknown.push(arg);
      return false;
    },
  });
  if (unknown.length > 0) throw new UsageError(`${unknown[0]} is not known; --help lists what is`);
  if (parsed.help) return undefined;
  const options = parsed as Options;
  if (options.url !== undefined && !/^wss?:\/\/./.test(options.url)) {
    throw new UsageError("--url must look like ws://127.0.0.1:8765/");
  }
  return options;
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(smoke, { name: "smoke", deadlineMs: DEADLINE_MS });
