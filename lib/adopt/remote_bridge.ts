import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { variablesIn } from "../base/template.ts";
import { trimEndOf } from "../base/text.ts";

/** A server behind a URL that a client reaches through the command `mcp-remote`. */
interface RemoteBridge {
  /** The entry with the URL in place of the command. */
  entry: JsonObject;
  /** What the command did and the daemon does otherwise, each a sentence. */
  notes: readonly string[];
}

/** Words before `mcp-remote` that only start it. */
const STARTER =
  /^(?:npx|bunx|pnpx|npm|pnpm|yarn|bun|cmd|\/c|exec|dlx|x|-y|--yes|-q|--quiet|--)(?:\.cmd|\.exe)?$/i;
const PROGRAM = /^mcp-remote(?:@[\w.^~-]+)?(?:\.cmd)?$/i;

/** Flags of `mcp-remote` that change nothing for a daemon. */
const PLAIN_FLAGS = new Set(["--allow-http", "--debug", "--silent"]);
const VALUE_FLAGS = new Set([
  ...["--header", "--transport", "--host", "--resource", "--ignore-tool", "--auth-timeout"],
  ...["--static-oauth-client-info", "--static-oauth-client-metadata"],
]);

/** Variables that say how `mcp-remote` connects, in a way an entry cannot. */
const OF_CONNECTION = /^(?:NODE_|(?:https?|no|all)_proxy$)/i;

/**
 * `entry`, in the keys of `mcp.json`, without the `mcp-remote` between a client and its server; undefined: it starts
 * something else, or says what only that program does.
 */
export function withoutBridge(entry: JsonObject): RemoteBridge | undefined {
  const words = bridgeWords(entry);
  const read = words && readFlags(words);
  if (!read || read.url === undefined || !isSafe(read.url)) return undefined;
  const headers = headersOf(read.flags.get("--header") ?? []);
  const oauth = oauthOf(read);
  if (headers === undefined || oauth === undefined) return undefined;
  const { command: _c, args: _a, env, cwd: _d, envFile: _f, ...rest } = entry;
  const used = Object.values(headers).concat(
    Object.values(oauth).filter((value) => typeof value === "string"),
  );
  const variables = envFor([read.url, ...used], env);
  if (variables === undefined) return undefined;
  const resource = last(read, "--resource");
  const account = resource === undefined ? undefined : accountFor(resource);
  const exclude = [
    ...Array.isArray(rest.exclude) ? rest.exclude : [],
    ...read.flags.get("--ignore-tool") ?? [],
  ];
  return {
    entry: {
      ...rest,
      ...typeOf(last(read, "--transport")),
      url: read.url,
      ...Object.keys(headers).length > 0 ? { headers } : {},
      ...Object.keys(variables).length > 0 ? { env: variables } : {},
      ...Object.keys(oauth).length > 0 ? { oauth } : {},
      ...account === undefined ? {} : { account },
      ...exclude.length > 0 ? { exclude } : {},
    },
    notes: [
      "is reached by the daemon itself, without mcp-remote",
      ...account === undefined ? [] : [`--resource becomes the account ${account}`],
    ],
  };
}

interface BridgeFlags {
  url: string | undefined;
  port: string | undefined;
  flags: Map<string, string[]>;
}

/** The words behind `mcp-remote`. */
function bridgeWords({ command, args, envFile }: JsonObject): string[] | undefined {
  if (typeof command !== "string" || envFile !== undefined) return undefined;
  const words = [command, ...Array.isArray(args) ? args : []];
  if (!words.every((word) => typeof word === "string")) return undefined;
  const baseOf = (word: string) => word.slice(Math.max(word.lastIndexOf("/"), word.lastIndexOf("\\")) + 1);
  const at = words.findIndex((word, i) => PROGRAM.test(i === 0 ? baseOf(word) : word));
  const isStarted = at >= 0 &&
    words.slice(0, at).every((word, i) => STARTER.test(i === 0 ? baseOf(word) : word));
  return isStarted ? words.slice(at + 1) : undefined;
}

/** Undefined for flags that are not known here. */
function readFlags(words: readonly string[]): BridgeFlags | undefined {
  const flags = new Map<string, string[]>();
  const places: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (VALUE_FLAGS.has(word) && i + 1 < words.length) {
      flags.set(word, [...flags.get(word) ?? [], words[++i]!]);
    } else if (word.startsWith("-")) {
      if (!PLAIN_FLAGS.has(word)) return undefined;
    } else places.push(word);
  }
  const [url, port, ...more] = places;
  const isKnown = more.length === 0 && (port === undefined || /^\d{1,5}$/.test(port));
  return isKnown ? { url, port, flags } : undefined;
}

function last({ flags }: BridgeFlags, name: string): string | undefined {
  return flags.get(name)?.at(-1);
}

/** Tokens are sent to no other. */
function isSafe(url: string): boolean {
  return /^https:\/\/\S+$/i.test(url) || /^http:\/\/(?:localhost|127\.0\.0\.1)(?:[:/]|$)/i.test(url);
}

function headersOf(texts: readonly string[]): Record<string, string> | undefined {
  // `$${NAME}` is a variable that is left to mcp-remote, which takes it from env as the entry does.
  const plain = texts.map((text) => text.replaceAll("$${", () => "${"));
  const pairs = plain.map((text) => /^([A-Za-z0-9_-]+):\s*(.*)$/s.exec(text));
  if (pairs.some((pair) => pair === null)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!]));
}

/** Undefined where it is in a file, or is no JSON. */
function oauthOf(read: BridgeFlags): JsonObject | undefined {
  const [info, metadata] = ["--static-oauth-client-info", "--static-oauth-client-metadata"].map((name) => {
    const text = last(read, name);
    return text === undefined ? {} : parsed(text);
  });
  if (info === undefined || metadata === undefined) return undefined;
  const [clientId, clientSecret] = [textOf(info.client_id), textOf(info.client_secret)];
  const scope = textOf(metadata.scope) ?? textOf(info.scope);
  const host = last(read, "--host") ?? "localhost";
  return {
    ...clientId ? { clientId } : {},
    ...clientId && clientSecret ? { clientSecret } : {},
    ...scope ? { scopes: scope.split(/\s+/).filter((one) => one !== "") } : {},
    // What the client was registered with.
    ...clientId ? { redirectUrl: `http://${host}/oauth/callback` } : {},
    ...clientId && read.port !== undefined ? { callbackPort: Number(read.port) } : {},
  };
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The variables of `env` that `texts` name; undefined where others say how to connect. */
function envFor(texts: readonly string[], env: unknown): JsonObject | undefined {
  const variables = isObject(env) ? env : {};
  if (Object.keys(variables).some((name) => OF_CONNECTION.test(name))) return undefined;
  const named = new Set(
    texts.flatMap(variablesIn).map((name) => name.replace(/^env:/, "").replace(/:-.*$/s, "")),
  );
  return Object.fromEntries(Object.entries(variables).filter(([name]) => named.has(name)));
}

function typeOf(transport: string | undefined): { type?: string } {
  if (transport === "http-only") return { type: "http" };
  return transport === "sse-only" ? { type: "sse" } : {};
}

/** `mcp-remote` keeps a login for each resource; here that is an account. */
function accountFor(resource: string): string | undefined {
  const { hostname = "", pathname = "" } = URL.parse(resource) ?? {};
  const plain = `${hostname}${pathname}`.replace(/[^A-Za-z0-9._@+-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  const name = trimEndOf(plain, "-").slice(0, 64);
  return name === "" ? undefined : name;
}
