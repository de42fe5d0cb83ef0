import { basename } from "@std/path/basename";
import { isObject, type Json } from "../base/json.ts";
import { convertEntry, type EntryDialect } from "../config/entry_shapes.ts";
import { isReplay, ownProgramOf, type ProgramCommand } from "../config/shim_program.ts";

/** What EXAI's own entries in clients look like. */
export interface OwnEntries {
  /** How editors start the shim. */
  shim: ProgramCommand;
  /** Where the daemon listens. */
  port: number;
}

const OWN_NAME = /^exai-(?:shim|daemon)(?:\.exe)?$/i;

/** Whether an entry leads to EXAI: to all servers together, or to one of them. */
export function ownEntryKind(value: Json, dialect: EntryDialect, own: OwnEntries): "all" | "one" | undefined {
  if (!isObject(value)) return undefined;
  const { entry: { command, args, env, url } } = convertEntry(value, dialect);
  if (typeof url === "string") return urlKind(url, own.port);
  if (typeof command !== "string") return undefined;
  const words = Array.isArray(args) ? args.filter((arg) => typeof arg === "string") : [];
  // A bridge, as `npx mcp-remote http://127.0.0.1:8765/mcp`.
  const bridged = words.map((word) => urlKind(word, own.port)).find((kind) => kind !== undefined);
  if (bridged !== undefined) return bridged;
  if (!startsShim({ command, args: words }, own.shim)) return undefined;
  const isOne = words.some((word) => /^--server\b/.test(word)) ||
    (isObject(env) && typeof env.EXAI_SERVER === "string" && env.EXAI_SERVER !== "");
  return isOne ? "one" : "all";
}

function startsShim(line: ProgramCommand, shim: ProgramCommand): boolean {
  const words = [line.command, ...line.args];
  if (isReplay(words)) return false;
  if (words.some((word) => OWN_NAME.test(basename(word.replaceAll("\\", "/"))))) return true;
  const own = [shim.command, ...shim.args].join("\0");
  return words.slice(0, 1 + shim.args.length).join("\0") === own || ownProgramOf(line) !== undefined;
}

function urlKind(url: string, port: number): "all" | "one" | undefined {
  const { hostname, pathname, port: at } = URL.parse(url) ?? { hostname: "", pathname: "", port: "" };
  if (!/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname) || Number(at) !== port) return undefined;
  const [, one] = /^\/mcp(?:\/(.+))?$/.exec(pathname) ?? [undefined, undefined];
  if (!pathname.startsWith("/mcp")) return undefined;
  return one === undefined ? "all" : "one";
}
