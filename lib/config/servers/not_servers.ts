import { ownEntry } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { firstCommands } from "./command_line.ts";

const FETCHES = 'fetches a URL once; for an MCP server at that URL write "url" in place of command';
const CLIENT = "is a program for a person at a terminal";
const DATABASE = "is a database; mount an MCP server for it";
const WEB_SERVER = 'starts a web server and speaks HTTP; start it yourself and write its address as "url"';

/** Widely mounted programs that are no MCP servers, and what they are. */
const PROGRAMS: Readonly<Record<string, string>> = {
  curl: FETCHES,
  wget: FETCHES,
  http: FETCHES,
  xh: FETCHES,
  psql: CLIENT,
  mysql: CLIENT,
  mariadb: CLIENT,
  sqlite3: CLIENT,
  "redis-cli": CLIENT,
  mongosh: CLIENT,
  mongo: CLIENT,
  "clickhouse-client": CLIENT,
  "kafka-topics": CLIENT,
  "kafka-topics.sh": CLIENT,
  "kafka-console-consumer": CLIENT,
  "kafka-console-consumer.sh": CLIENT,
  "kafka-console-producer": CLIENT,
  "kafka-console-producer.sh": CLIENT,
  kcat: CLIENT,
  ping: CLIENT,
  jq: CLIENT,
  uvicorn: WEB_SERVER,
  gunicorn: WEB_SERVER,
  hypercorn: WEB_SERVER,
  flask: WEB_SERVER,
  fastapi: WEB_SERVER,
  streamlit: WEB_SERVER,
  nginx: WEB_SERVER,
  "redis-server": DATABASE,
  postgres: DATABASE,
  mysqld: DATABASE,
  mongod: DATABASE,
  "http-server": WEB_SERVER,
  "json-server": WEB_SERVER,
};

/** Programs that start another one, which is then looked at. */
const TRANSPARENT = /^(?:env|npx|bunx|uvx|cmd|sh|bash|zsh|dash|uv|pipx|poetry|nohup|sudo|wsl|python3?|py)$/;

/** Packages people mount that the npm registry does not have, and what serves in their place. */
const MISSING_PACKAGES: Readonly<Record<string, string>> = {
  "@modelcontextprotocol/server-fetch": "uvx mcp-server-fetch",
  "@modelcontextprotocol/server-git": "uvx mcp-server-git",
  "@modelcontextprotocol/server-time": "uvx mcp-server-time",
  "@modelcontextprotocol/server-sqlite": "uvx mcp-server-sqlite",
  "@modelcontextprotocol/server-sentry": "uvx mcp-server-sentry",
};

const SCOPED_PACKAGE = /^@[\w.-]+\/[\w.-]+(?:@[\w.^~-]+)?$/;

/** What a command is that is no MCP server, as a clause whose subject is `command`; undefined: nothing is known against it. */
export function whyNoServer(command: string, args: readonly string[]): string | undefined {
  if (SCOPED_PACKAGE.test(command)) {
    return `is the name of an npm package, not of a program; write "command": "npx", "args": ["-y", ${
      quoteName(command)
    }]`;
  }
  const programs = programsOf(command, args);
  const known = programs.filter((name) => !TRANSPARENT.test(name));
  const [first] = known;
  const what = first === undefined ? undefined : ownEntry(PROGRAMS, first);
  // In a shell's line with another program, that one may be the server.
  if (what === undefined || known.some((name) => ownEntry(PROGRAMS, name) === undefined)) return undefined;
  return `starts ${first}, which is no MCP server: it ${what}`;
}

/** A package in `args` that does not exist, as a clause with what to write. */
export function missingPackage(command: string, args: readonly string[]): string | undefined {
  if (!/(?:^|[/\\])(?:npx|bunx|pnpx|cmd)(?:\.cmd|\.exe)?$/i.test(command)) return undefined;
  const name = args.map(withoutVersion).find((arg) => ownEntry(MISSING_PACKAGES, arg) !== undefined);
  const instead = name === undefined ? undefined : ownEntry(MISSING_PACKAGES, name);
  if (name === undefined || instead === undefined) return undefined;
  return `names ${quoteName(name)}, which the npm registry does not have; the server is ${
    quoteName(instead)
  }`;
}

function withoutVersion(name: string): string {
  return name.replace(/(?<=.)@[^/]*$/, "");
}

/** Bare names of the programs that are started, those in a container too. */
function programsOf(command: string, args: readonly string[]): string[] {
  const inside = inContainer(baseName(command), args);
  const words = inside ?? [command, ...args];
  const module = /^(?:python[\d.]*|py)$/.test(baseName(words[0] ?? "")) && words[1] === "-m"
    ? words[2]
    : undefined;
  if (module !== undefined) return [module === "http.server" ? "http-server" : module];
  // `uv run x` and `poetry run x` start x.
  const run = /^(?:uv|poetry|pipenv)$/.test(baseName(words[0] ?? "")) && words[1] === "run"
    ? words.slice(2)
    : words;
  return firstCommands(run).map(baseName);
}

/** What runs within a container: the words behind the name of it. */
function inContainer(program: string, args: readonly string[]): readonly string[] | undefined {
  const isCompose = /^docker-compose$/.test(program) || args[0] === "compose";
  if (!/^(?:docker|podman|nerdctl|docker-compose|kubectl)$/.test(program)) return undefined;
  const start = args.indexOf("exec");
  if (start < 0 || start > (isCompose ? 8 : 2)) return undefined;
  const dashes = args.indexOf("--", start);
  if (program === "kubectl") return dashes < 0 ? undefined : args.slice(dashes + 1);
  const isOption = (word: string) => word.startsWith("-");
  const takesValue = (word: string) =>
    /^(?:-[eu]|-w|--env|--user|--workdir|--env-file|--index|--detach-keys)$/.test(word);
  for (let i = start + 1; i < args.length; i++) {
    if (takesValue(args[i]!)) i++;
    else if (!isOption(args[i]!)) return args.slice(i + 1);
  }
  return undefined;
}

function baseName(word: string): string {
  return word.slice(Math.max(word.lastIndexOf("/"), word.lastIndexOf("\\")) + 1).replace(
    /\.(?:exe|cmd|bat)$/i,
    "",
  )
    .toLowerCase();
}
