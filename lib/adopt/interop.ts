import { isObject, type Json, type JsonObject } from "../base/json.ts";

const DRIVE = /^([A-Za-z]):[/\\]/;

/**
 * A Windows program's entry as WSL starts it: by the same program on Windows, with its variables handed over (`WSLENV`). A
 * server that the client starts in WSL anyway is started there directly.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { throughInterop } from "./interop.ts";
 *
 * const entry = { command: "npx", args: ["-y", "x"], env: { TOKEN: "t" } };
 * assertEquals(throughInterop(entry), {
 *   command: "cmd.exe",
 *   args: ["/d", "/c", "npx", "-y", "x"],
 *   env: { TOKEN: "t", WSLENV: "TOKEN/w" },
 * });
 * ```
 */
export function throughInterop(entry: JsonObject): JsonObject {
  const { command, args, env, cwd } = entry;
  if (typeof command !== "string") return entry;
  const list = Array.isArray(args) ? args : [];
  const inside = commandInWsl(command, list);
  if (inside) return { ...entry, ...inside };
  const names = isObject(env) ? Object.keys(env).filter((name) => name !== "WSLENV") : [];
  return {
    ...entry,
    ...started(command, list),
    ...(names.length > 0
      ? { env: { ...env as JsonObject, WSLENV: names.map((name) => `${name}/w`).join(":") } }
      : {}),
    ...(typeof cwd === "string" ? { cwd: linuxPath(cwd) } : {}),
  };
}

function started(command: string, args: Json[]): JsonObject {
  if (DRIVE.test(command) && /\.exe$/i.test(command)) return { command: linuxPath(command), args };
  if (/^(?:cmd|powershell|pwsh)(?:\.exe)?$/i.test(command)) {
    return { command: /\.exe$/i.test(command) ? command : `${command}.exe`, args };
  }
  return { command: "cmd.exe", args: ["/d", "/c", command, ...args] };
}

/** The command behind `wsl [-d NAME] [--] COMMAND …`. */
function commandInWsl(command: string, args: Json[]): JsonObject | undefined {
  if (!/(?:^|[/\\])wsl(?:\.exe)?$/i.test(command)) return undefined;
  const rest = [...args];
  while (typeof rest[0] === "string" && rest[0].startsWith("-")) {
    const flag = rest.shift();
    if (["-d", "--distribution", "-u", "--user", "--cd", "--shell-type"].includes(String(flag))) rest.shift();
    if (flag === "--") break;
  }
  const [program, ...words] = rest;
  return typeof program === "string" ? { command: program, args: words } : undefined;
}

/** Where WSL has a path of Windows. */
function linuxPath(path: string): string {
  return path.replace(DRIVE, (_, drive: string) => `/mnt/${drive.toLowerCase()}/`).replaceAll("\\", "/");
}
