/** A place in a text; both count from 1. */
export interface Position {
  line: number;
  column: number;
}

/** Something wrong in `mcp.json`, `models.json` or `clink.json`. */
export interface ConfigFault extends Partial<Position> {
  path: string;
  /** The server's name in the file; undefined for a fault of the file as a whole. */
  server?: string;
  /** The key within the server, as `env.TOKEN` or `args[0]`. */
  key?: string;
  /** What is wrong and what is allowed. */
  message: string;
  /** The environment variable that is needed and not set, where that is the fault. */
  unset?: string;
  /** Whether the fault is that other users can read the file, which holds secrets. */
  isExposed?: boolean;
}

/** `fault` as one line: place, server, key, and what is allowed. */
export function formatFault(fault: ConfigFault): string {
  const place = [fault.path, fault.line, fault.column].filter((part) => part !== undefined).join(":");
  const server = fault.server === undefined ? "" : `server "${fault.server}": `;
  const key = fault.key === undefined ? "" : `${fault.key} `;
  return `${place}: ${server}${key}${fault.message}`;
}

/** `path` as a person writes it: `args[0]`, `env.TOKEN`. */
export function formatKey(path: readonly PropertyKey[]): string {
  return path.map((part, i) => typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`)
    .join("");
}
