import type { JsonObject } from "../../lib/base/json.ts";
import { VERSION } from "../../lib/base/version.ts";
import { commandFlags, runCommand } from "../../lib/commands/commands.ts";
import { loadSettings } from "../../lib/config/load.ts";
import { bad, mountingDaemon } from "./mounts.ts";
import { OddServer } from "./odd_server.ts";
import { RawClient } from "./raw_client.ts";

/** The command line of an entry of mcp.json. */
function commandOf({ command, args }: JsonObject): string[] {
  return [String(command), ...args as string[]];
}

/** The words that stand for others in a command that is shown. */
export const WORDS: Readonly<Record<string, readonly string[]>> = {
  "exai-daemon help [COMMAND [WORD]]": ["help", "kill", "call"],
  "exai-daemon call NAME [KEY=VALUE...]": ["call", "version"],
  "exai-daemon logs [SERVER]": ["logs", "mean"],
  "exai-daemon auth status [SERVER]": ["auth", "status", "mean"],
  "exai-daemon tools [SERVER]": ["tools", "exai"],
  "exai-daemon tools [TOOL]": ["tools", "version"],
  "exai-daemon config check [exai|mcp|models|clink]": ["config", "check", "mcp"],
  "exai-daemon config path [exai|mcp|models|tools|home|logs]": ["config", "path", "mcp"],
  "exai-daemon config schema [mcp|exai|clink]": ["config", "schema", "mcp"],
  "exai-daemon servers add NAME COMMAND [ARG...]": ["servers", "add", "one", ...commandOf(bad("serves"))],
  "exai-daemon servers add NAME URL": ["servers", "add", "two", "http://localhost:9/mcp"],
  "exai-daemon servers add NAME JSON": ["servers", "add", "three", '{"command": "some-program"}'],
  "exai-daemon servers remove NAME...": ["servers", "remove", "three"],
  "exai-daemon servers test [NAME...]": ["servers", "test", "mean"],
  "exai-daemon servers disable NAME...": ["servers", "disable", "two"],
  "exai-daemon servers enable NAME...": ["servers", "enable", "one"],
};

/** A daemon with something to list, show, cancel and kill, and the commands run against it. */
export async function commandLine() {
  const odd = new OddServer();
  const it = await mountingDaemon({ mean: bad("serves") }, { token: "auto" }, [odd]);
  const token = (await Deno.readTextFile(`${it.home}/token`)).trim();
  const clients: RawClient[] = [];
  const releases = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => Response.json({ version: VERSION }),
  );
  const ofReleases = `--releases-url=http://127.0.0.1:${releases.addr.port}/latest`;
  const connect = async (hello = {}) => {
    const client = await RawClient.hello(it.url, { token, ...hello });
    clients.push(client);
    return client;
  };
  const run = async (words: readonly string[], print: (text: string) => void = () => {}) => {
    const loaded = loadSettings({
      // Before the words: what follows a program in `servers add` is the arguments of that program.
      args: [`--home=${it.home}`, `--port=${new URL(it.url).port}`, "--token=auto", ofReleases, ...words],
      env: { ENV_FILE: "" },
      commands: commandFlags(),
    });
    const { text, code, json } = await runCommand(loaded, { print, progress: { step() {}, end() {} } });
    return { code, text: loaded.switches.has("json") && json !== undefined ? JSON.stringify(json) : text };
  };
  const firstCall = async (outcome: string) =>
    JSON.parse((await run(["calls", `--outcome=${outcome}`, "--json"])).text)[0].id;
  /** What stands for ID or NAME in a command. */
  const valueFor: Readonly<Record<string, () => Promise<string>>> = {
    calls: async () => {
      await (await connect()).call("version");
      return await firstCall("ok");
    },
    cancel: async () => {
      const begun = odd.nextHold();
      void (await connect()).call("hold").catch(() => {});
      await begun;
      return await firstCall("running");
    },
    "kill call": () => valueFor.cancel!(),
    "kill session": async () => (await connect({ session_id: "victim" })).ack.session_id as string,
    "kill upstream": async () => {
      await (await connect()).call("serves_echo", { text: "hi" });
      return "mean";
    },
    servers: () => valueFor["kill upstream"]!(),
    threads: async () => {
      const step = { step: "s", step_number: 1, total_steps: 2, next_step_required: true };
      await (await connect()).call("planner", { ...step });
      return JSON.parse((await run(["threads", "--json"])).text)[0].id;
    },
    "certs": () => Promise.resolve("box.example"),
    "new-tool": () => Promise.resolve("my-tool"),
  };
  const fill = async (words: readonly string[]): Promise<string[]> => {
    const value = valueFor[words.slice(0, 2).join(" ")] ?? valueFor[words[0]!];
    return await Promise.all(
      words.map(async (word) => {
        if (/^\[[a-z]+\]$/.test(word)) return word.slice(1, -1);
        if (!/^\[?(ID|NAME|HOST)\b/.test(word)) return word;
        if (value === undefined) {
          throw new Error(`valueFor does not say what ${word} is in: ${words.join(" ")}`);
        }
        return await value();
      }),
    );
  };
  return {
    home: it.home,
    run,
    fill,
    stop: () => it.daemon.stop(),
    async [Symbol.asyncDispose]() {
      odd.release.resolve();
      for (const client of clients) await client.close();
      await releases.shutdown();
      await it[Symbol.asyncDispose]();
    },
  };
}
