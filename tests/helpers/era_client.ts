/** What clients of both eras have in common in the tests. */
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { commandFor } from "../../tools/lib/programs.ts";

export type Door = "http" | "shim" | "websocket";

/** `auto`: speaks the modern era where it finds it, by asking first. */
export type ClientKind = "legacy" | "modern" | "auto";

export interface CallOptions {
  signal?: AbortSignal;
  onprogress?: (progress: { progress: number; total?: number; message?: string }) => void;
  /** Least severe log line wanted about this call; a legacy client has set it for all. */
  logLevel?: string;
}

/** What clients of both eras can do, in the words of neither. */
export interface EraClient extends AsyncDisposable {
  readonly era: "legacy" | "modern";
  /** What it was asked and has answered. */
  readonly questions: JsonObject[];
  /** What it was told, `{method, params}`. */
  readonly notifications: JsonObject[];
  tools(): Promise<JsonObject[]>;
  prompts(): Promise<JsonObject[]>;
  resources(): Promise<JsonObject[]>;
  call(name: string, args?: JsonObject, options?: CallOptions): Promise<JsonObject>;
  read(uri: string): Promise<JsonObject>;
  prompt(name: string): Promise<JsonObject>;
  /** Any request. */
  request(method: string, params: JsonObject): Promise<JsonObject>;
  /** Has itself told of changed lists, and of changes of `uris`. */
  watch(uris: string[]): Promise<void>;
  setLogLevel(level: string): Promise<void>;
}

export interface Place {
  door: Door;
  /** The daemon's address, `http:`. */
  http: string;
  /** The daemon's state directory. */
  home: string;
  /** One server of its `mcp.json`; undefined: all of them. */
  server?: string;
  /** The words of a server on stdio that stands at the door `shim` in place of one. */
  instead?: readonly string[];
}

/** Everything a client can offer. */
export const FULL = {
  elicitation: { form: {}, url: {} },
  sampling: {},
  roots: { listChanged: true },
};

/** What the person, the model and the editor behind a client answer. */
export const ANSWERS = {
  elicit(params: JsonObject): { action: "accept"; content?: Record<string, string> } {
    if (params.mode === "url") return { action: "accept" };
    const { properties } = params.requestedSchema as { properties: JsonObject };
    const content = Object.fromEntries(Object.keys(properties).map((name) => [name, `my ${name}`]));
    return { action: "accept", content };
  },
  sample: () => ({
    model: "fixture",
    role: "assistant" as const,
    content: { type: "text" as const, text: "said by a model" },
  }),
  roots: () => ({ roots: [{ uri: "file:///usr" }] }),
};

const SHIM = fromFileUrl(new URL("../../shim.ts", import.meta.url));

/** How to run the real shim for a place: from source, or as the bundle `program`. */
export function shimCommand({ http, home, server, instead }: Omit<Place, "door">, program: string = SHIM) {
  if (instead) return { command: instead[0]!, args: instead.slice(1), env: Deno.env.toObject() };
  const { command, args } = commandFor(program);
  return {
    command,
    args: [...args, ...server ? ["--server", server] : []],
    env: {
      ...Deno.env.toObject(),
      EXAI_HOME: home,
      EXAI_WS_PORT: new URL(http).port,
      EXAI_WS_AUTOSTART: "false",
      ENV_FILE: "",
    },
  };
}

/** The path of one server, or of all. */
export function doorUrl({ door, http, server }: Place): URL {
  const url = new URL(server ? `/mcp/${server}` : "/mcp", http);
  if (door === "websocket") url.protocol = "ws:";
  return url;
}
