import type { JsonObject } from "../base/json.ts";
import type { EntryStyle } from "./client_profile.ts";

/** How clients reach the daemon: through a shim that they start, or at its address. */
export type Door =
  | { kind: "shim"; command: string; args: readonly string[]; env: Readonly<Record<string, string>> }
  | { kind: "http"; url: string };

/** Every key by which a client starts or reaches a server, in any client. */
export const REACH_KEYS: readonly string[] = [
  ...["type", "transport", "transportType", "transport_type", "source", "settings"],
  ...["command", "cmd", "args", "arguments", "env", "environment", "envs", "env_keys", "envFile", "cwd"],
  ...["url", "httpUrl", "serverUrl", "uri", "headers", "http_headers", "env_http_headers", "requestInit"],
  ...["bearer_token_env_var", "headersHelper", "env_vars", "oauth", "auth", "authProviderType"],
];

/** The styles whose client's file takes no URL. */
export function takesUrl(style: EntryStyle): boolean {
  return style !== "program";
}

/**
 * The keys of an entry by which a client reaches EXAI.
 *
 * @param server the one server to show; undefined: all of them together
 */
export function reachOf(style: EntryStyle, door: Door, server?: string): JsonObject {
  if (door.kind === "http" && takesUrl(style)) {
    return urlOf(style, server === undefined ? door.url : `${door.url}/${server}`);
  }
  if (door.kind === "http") throw new TypeError(`a client of the style ${style} takes no URL`);
  const { command, env } = door;
  const args = [...door.args, ...(server === undefined ? [] : [`--server=${server}`])];
  const hasEnv = Object.keys(env).length > 0;
  switch (style) {
    case "opencode":
      return { type: "local", command: [command, ...args], ...(hasEnv ? { environment: { ...env } } : {}) };
    case "goose":
      return { type: "stdio", cmd: command, args, envs: { ...env } };
    default: {
      const first: JsonObject = style === "typed"
        ? { type: "stdio" }
        : style === "copilot"
        ? { type: "local" }
        : style === "zed"
        ? { source: "custom" }
        : {};
      return { ...first, command, args, ...(hasEnv ? { env: { ...env } } : {}) };
    }
  }
}

function urlOf(style: EntryStyle, url: string): JsonObject {
  switch (style) {
    case "typed":
    case "copilot":
      return { type: "http", url };
    case "opencode":
      return { type: "remote", url };
    case "windsurf":
      return { serverUrl: url };
    case "gemini":
      return { httpUrl: url };
    case "goose":
      return { type: "streamable_http", uri: url };
    default:
      return { url };
  }
}

/** What an entry needs beside {@linkcode reachOf} when it is new. */
export function newEntryExtras(style: EntryStyle, name: string): JsonObject {
  if (style === "copilot") return { tools: ["*"] };
  if (style === "goose") return { name, enabled: true, timeout: 300 };
  return style === "opencode" ? { enabled: true } : {};
}
