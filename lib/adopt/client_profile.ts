import type { PlaceSystem } from "../config/client_places.ts";
import type { EntryDialect } from "../config/entry_shapes.ts";

/** All that `adopt` knows of one client. */
export interface ClientProfile {
  /** How `--client` names it. */
  id: string;
  title: string;
  /** Whose rules its entries are read by. */
  dialect: EntryDialect;
  /** How an entry that starts a program, or that has a URL, is written. */
  style: EntryStyle;
  files: readonly ClientFile[];
  /** Where it keeps what its tools may do, by the names of servers. */
  rules?: readonly RuleSource[];
  /** What else its user has to do or to know once it is adopted. */
  note?: string;
}

/** A file, or several of one kind, in which a client reads its servers. */
export interface ClientFile {
  /**
   * Its path, with one of {@linkcode ClientPlaces} or `{project}` before it; `*` stands for any name of a directory or a
   * part of one.
   */
  path: string;
  /** The systems it is on; left out: all. */
  on?: readonly PlaceSystem[];
  language: "jsonc" | "toml" | "yaml" | "jetbrains-xml";
  /** Where the servers are; `*` stands for any key. */
  sections: readonly (readonly string[])[];
  /** Whether the file holds nothing but MCP servers, so that a version in it is theirs. */
  isDedicated?: boolean;
}

/** A file of JSON with comments that holds nothing but the servers, below `section`. */
export function dedicatedFile(
  path: string,
  { section = "mcpServers", on }: { section?: string; on?: ClientFile["on"] } = {},
): ClientFile {
  return { path, on, language: "jsonc", sections: [[section]], isDedicated: true };
}

/** The keys by which a client starts or reaches a server. */
export type EntryStyle =
  /** `command`, `args` and `env`; `url` */
  | "plain"
  /** as plain, with `type`: `stdio` or `http` */
  | "typed"
  /** as typed, with `type`: `local`, and `tools` */
  | "copilot"
  /** `type`, `command` as an array, `environment`; `remote` and `url` */
  | "opencode"
  /** as plain, with `source` */
  | "zed"
  /** as plain; `serverUrl` */
  | "windsurf"
  /** as plain; `httpUrl` */
  | "gemini"
  /** `cmd`, `args` and `envs`; `uri` */
  | "goose"
  /** as plain; no URL in its file */
  | "program";

/** Files that say what tools may do, by the names of their servers. */
export interface RuleSource {
  /** As those of {@linkcode ClientFile}. */
  paths: readonly string[];
  /** Keys below which names of servers and tools stand; left out: anywhere in the text. */
  under?: readonly string[];
  /** Finds a name of a tool of the server in a text; left out: only the server's name itself counts. */
  names?(server: string): RegExp;
}

/** `text` for a pattern: each character stands for itself. */
export function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|\-/]/g, "\\$&");
}

/** What follows in a pattern where the name of a server is only begun: `mcp__.*`, `mcp__fi.*`, `mcp__(files|git)__`. */
const WILD = "[.*+?([{\\\\]";

/** Matches `prefix` and then the name of a server, or a pattern that may mean it; `end` is what follows the whole name. */
export function namedOrMeant(server: string, { prefix, end }: { prefix: string; end: string }): string {
  const begun = Array.from(server, (_, i) => literal(server.slice(0, server.length - i)));
  return `${prefix}(?:${literal(server)}${end}|(?:${[...begun, ""].join("|")})${WILD})`;
}

/** `mcp__server__tool`, where other characters of the name than letters, digits, `_` and `-` are `_`. */
export function mcpToolPattern(server: string): string {
  const name = server.replace(/[^A-Za-z0-9_-]/g, "_");
  return namedOrMeant(name, { prefix: "\\bmcp__", end: "(?:__|(?![A-Za-z0-9_-]))" });
}
