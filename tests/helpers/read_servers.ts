import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import {
  bindToSession,
  type StdioServerConfig,
  type UrlServerConfig,
} from "../../lib/config/server_config.ts";
import { formatFault, readServers, type ServersFile } from "../../lib/config/servers.ts";

type Env = Record<string, string>;

interface ReadOptions {
  env?: Env;
  loginEnv?: () => Promise<Env>;
  /** Files beside `mcp.json`. */
  files?: Env;
}

/** What was read, with its faults and warnings as lines. */
export interface ReadFile extends ServersFile {
  lines: string[];
  warned: string[];
}

/** Reads `content` as `mcp.json`, with nothing of this machine's own environment. */
export async function readFile(
  content: string | object | Uint8Array<ArrayBuffer>,
  options: ReadOptions = {},
): Promise<ReadFile> {
  const dir = await Deno.makeTempDir({ prefix: "exai-config-" });
  try {
    const path = join(dir, "mcp.json");
    for (const [name, text] of Object.entries(options.files ?? {})) {
      await Deno.mkdir(dirname(join(dir, name)), { recursive: true });
      await Deno.writeTextFile(join(dir, name), text);
    }
    const text = typeof content === "string" ? content : JSON.stringify(content);
    await Deno.writeFile(path, content instanceof Uint8Array ? content : new TextEncoder().encode(text));
    const file = await readServers(path, { env: { HOME: dir, ...options.env }, loginEnv: options.loginEnv });
    const shown = (fault: ServersFile["faults"][number]) => formatFault(fault).replace(path, "mcp.json");
    return { ...file, lines: file.faults.map(shown), warned: file.warnings.map(shown) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Reads a file with the one server `s`. */
export async function readOne(entry: unknown, options: ReadOptions = {}): Promise<ReadFile> {
  return await readFile({ mcpServers: { s: entry } }, options);
}

/** As {@linkcode readOne}, of an entry that may have neither fault nor warning. */
export async function readSilent(entry: object, options: ReadOptions = {}): Promise<ReadFile> {
  const file = await readOne(entry, options);
  assertEquals([file.lines, file.warned], [[], []], JSON.stringify(entry));
  return file;
}

/** The command `s` of a file without fault, made ready for a session in /work/shop. */
export function commandIn(file: ReadFile): StdioServerConfig {
  assertEquals(file.lines, []);
  const config = file.servers.get("s");
  if (config?.kind !== "stdio") throw new Error(`a command is expected, not ${config?.kind}`);
  return bindToSession(config, "/work/shop");
}

/** The server behind a URL `s` of a file without fault, made ready for a session in /work/shop. */
export function remoteIn(file: ReadFile): UrlServerConfig {
  assertEquals(file.lines, []);
  const config = file.servers.get("s");
  if (config === undefined || config.kind === "stdio") throw new Error("a URL is expected");
  return bindToSession(config, "/work/shop");
}

/** The server `s` of this entry, whose command is `c` where it has none. */
export async function commandOf(entry: object, options: ReadOptions = {}): Promise<StdioServerConfig> {
  return commandIn(await readOne({ command: "c", ...entry }, options));
}
