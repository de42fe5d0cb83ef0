import { isObject, type Json, type JsonObject } from "../base/json.ts";

/** The keys that say what a server is; others say how it is used. */
const OF_IDENTITY = [
  ...["command", "args", "env", "envFile", "cwd", "url", "headers"],
  ...["oauth", "account", "accounts", "headersHelper"],
];

/**
 * A text that two entries share when they start or reach the same server with the same settings: `cmd /c npx x`, `npx.cmd x`
 * and `npx x` are the same.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { serverKey } from "./same_server.ts";
 *
 * const windows = { command: "cmd", args: ["/c", "npx", "-y", "x"], env: {} };
 * assertEquals(serverKey(windows), serverKey({ command: "npx", args: ["-y", "x"] }));
 * ```
 */
export function serverKey(entry: JsonObject): string {
  const { command, args } = withoutShell(entry);
  const parts: JsonObject = { ...entry, command, args };
  return JSON.stringify(OF_IDENTITY.map((key) => canonical(parts[key], key === "headers")));
}

/** An entry without the `cmd /c` that clients need on Windows to start a script. */
function withoutShell({ command, args }: JsonObject): Pick<JsonObject, "command" | "args"> {
  if (typeof command !== "string") return { command, args };
  const list = Array.isArray(args) ? args : [];
  const at = list.findIndex((arg) => typeof arg === "string" && /^\/c$/i.test(arg));
  const isShell = /(?:^|[/\\])cmd(?:\.exe)?$/i.test(command);
  const program = isShell && at >= 0 ? list[at + 1] : undefined;
  if (typeof program === "string") return { command: plainName(program), args: list.slice(at + 2) };
  return { command: plainName(command), args: list };
}

function plainName(command: string): string {
  return /[/\\]/.test(command) ? command : command.replace(/\.(?:cmd|exe|bat)$/i, "");
}

/** Without order, and without what is empty. */
function canonical(value: Json | undefined, areNamesFolded: boolean): Json {
  if (Array.isArray(value)) return value.length === 0 ? null : value;
  if (!isObject(value)) return value ?? null;
  const entries = Object.entries(value).map(([name, item]): [string, Json] => [
    areNamesFolded ? name.toLowerCase() : name,
    item === null || item === undefined
      ? null
      : typeof item === "object"
      ? JSON.stringify(item)
      : String(item),
  ]);
  return entries.length === 0 ? null : entries.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
