/**
 * Installs an archive that `deno task release` made, adopts the configurations of Claude Code and Codex, has both talk to a
 * scripted model side by side, uninstalls, and says how long it took, which tools each was offered, which processes
 * served them, and whether every file of theirs is as it was. `--help` lists the flags.
 */
import { parseArgs } from "@std/cli/parse-args";
import { basename, dirname, join } from "@std/path";
import { codexModel } from "./clients/clients.ts";
import { startModel } from "./clients/model.ts";
import { progress, runTool, UsageError } from "./lib/run_tool.ts";
import { formatTable } from "./lib/table.ts";

const HELP = `deno task installed ARCHIVE --root DIR [--user NAME] [--bin DIR]

  ARCHIVE      dist/release/exai-VERSION-linux-x64.tar.gz
  --root DIR   the system to install in (chroot; needs root), with npx and the clients in it
  --user NAME  the user there; dev
  --bin DIR    where claude and codex are, seen from there; /clients/node_modules/.bin`;

const STEP_MS = 120_000;

/** The servers both clients have, and a tool of each. */
const SERVERS = { files: "read_text_file", memory: "create_entities", thinking: "sequentialthinking" };

interface Place {
  /** The directory that programs see as `/`. */
  root: string;
  /** The home directory, seen from `root`. */
  home: string;
  user: string;
  bin: string;
}

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  tookMs: number;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, { boolean: ["help"], string: ["root", "user", "bin"] });
  if (flags.help) return say(HELP);
  const [archive] = flags._.map(String);
  if (archive === undefined || flags.root === undefined) {
    throw new UsageError("give the archive and the system to install it in; --help says how");
  }
  const user = flags.user ?? "dev";
  const bin = flags.bin ?? "/clients/node_modules/.bin";
  const place: Place = { root: flags.root, home: `/home/${user}`, user, bin };
  await using model = await startModel();
  const before = await configure(place, model.url);
  const startedMs = performance.now();
  const rows: string[][] = [];
  const faults: string[] = [];
  const step = async (what: string, ...command: string[]): Promise<Ran> => {
    progress(what);
    const ran = await run(place, command);
    rows.push([what, String(ran.code), `${(ran.tookMs / 1000).toFixed(1)} s`]);
    if (ran.code !== 0) faults.push(`${what} ended with ${ran.code}:\n${ran.stdout}${ran.stderr}`);
    return ran;
  };
  await Deno.copyFile(archive, join(place.root, place.home, basename(archive)));
  await step("unpack", "tar", "xf", basename(archive));
  const folder = basename(archive).replace(/\.(tar\.gz|tgz|tar\.xz)$/, "");
  await step("install", "sh", `${folder}/install.sh`);
  await step("adopt", "exai-daemon", "adopt", "--yes");
  await Promise.all([
    step("Claude Code", join(place.bin, "claude"), "-p", "hello"),
    step("Codex", join(place.bin, "codex"), "exec", "--skip-git-repo-check", "hello"),
  ]);
  const tookMs = performance.now() - startedMs;
  const { stdout: ps } = await step("ps", "exai-daemon", "ps");
  const processes = await run(place, [
    "ps",
    "-u",
    place.user,
    "-o",
    "pid,ppid,rss,args",
  ]);
  await step("uninstall", "sh", join(place.home, ".local/share/exai/uninstall.sh"));
  const after = await readAll(place, [...before.keys()]);
  say(formatTable(["step", "exit code", "took"], rows));
  say(`from the archive to two answers: ${(tookMs / 1000).toFixed(1)} s`);
  if (model.offers.length < 2) faults.push(`${model.offers.length} of 2 clients have spoken with the model`);
  for (const offer of model.offers) {
    say(`offered ${offer.length} tools`);
    const missing = Object.values(SERVERS).filter((tool) => !offer.some((name) => name.endsWith(tool)));
    if (missing.length > 0) faults.push(`not offered: ${missing.join(", ")}`);
  }
  say(ps);
  say(processes.stdout);
  for (const [path, text] of before) {
    const now = after.get(path) ?? "";
    if (now === text) say(`${path}: byte for byte as before`);
    else if (hasItsServers(text, now)) say(`${path}: its servers as before; the client has written more`);
    else faults.push(`${path} is not as before:\n${now}`);
  }
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

/** Claude Code keeps its own state in the file of its servers. */
function hasItsServers(before: string, after: string): boolean {
  const section = /"mcpServers": \{[^]*?\n {2}\}/.exec(before)?.[0];
  return section !== undefined && after.includes(section);
}

/** Writes what both clients have before the installation; the text of each file. */
async function configure(place: Place, modelUrl: string): Promise<Map<string, string>> {
  const npx = (name: string, ...args: string[]) => ({
    command: "npx",
    args: ["-y", `@modelcontextprotocol/server-${name}`, ...args],
  });
  const work = join(place.home, "work");
  const servers = {
    files: npx("filesystem", work),
    memory: npx("memory"),
    thinking: npx("sequential-thinking"),
  };
  const claude = {
    numStartups: 3,
    hasCompletedOnboarding: true,
    mcpServers: Object.fromEntries(
      Object.entries(servers).map(([name, server]) => [name, { type: "stdio", ...server, env: {} }]),
    ),
    projects: {},
  };
  const codex = [
    "# the one we pay for",
    ...codexModel(modelUrl),
    ...Object.entries(servers).flatMap(([name, { command, args }]) => [
      "",
      `[mcp_servers.${name}]`,
      `command = ${JSON.stringify(command)}`,
      `args = ${JSON.stringify(args)}`,
    ]),
    "",
  ].join("\n");
  const files = new Map([
    [".claude.json", JSON.stringify(claude, null, 2)],
    [
      ".claude/settings.json",
      JSON.stringify({ env: { ANTHROPIC_BASE_URL: modelUrl, ANTHROPIC_API_KEY: "none" } }),
    ],
    [".codex/config.toml", codex],
  ]);
  const path = (name: string) => join(place.root, place.home, name);
  await Deno.mkdir(path("work"), { recursive: true });
  for (const [name, text] of files) {
    await Deno.mkdir(dirname(path(name)), { recursive: true });
    await Deno.writeTextFile(path(name), text);
  }
  await new Deno.Command("chroot", { args: [place.root, "chown", "-R", place.user, place.home] }).output();
  return files;
}

async function readAll(place: Place, names: string[]): Promise<Map<string, string>> {
  const texts = await Promise.all(
    names.map(async (name) =>
      [name, await Deno.readTextFile(join(place.root, place.home, name)).catch(() => "(is gone)")] as const
    ),
  );
  return new Map(texts);
}

/** Runs a command in the home directory, with the PATH a login would give. */
async function run({ root, home, user }: Place, command: readonly string[]): Promise<Ran> {
  const env: Record<string, string> = {
    HOME: home,
    PATH: `${home}/.local/share/exai/bin:/usr/local/bin:/usr/bin:/bin`,
    NO_COLOR: "1",
    OPENAI_API_KEY: "none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    ENABLE_TOOL_SEARCH: "false",
    NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ca-certificates.crt",
    LANG: "C.UTF-8",
  };
  const startedMs = performance.now();
  const inHome = ["sh", "-c", 'cd "$HOME" && exec "$@"', "sh", ...command];
  const { code, stdout, stderr } = await new Deno.Command("/usr/sbin/chroot", {
    args: [`--userspec=${user}`, root, ...inHome],
    env,
    clearEnv: true,
    stdin: "null",
    signal: AbortSignal.timeout(STEP_MS),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr), tookMs: performance.now() - startedMs };
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(main, { name: "installed", deadlineMs: 15 * 60_000 });
