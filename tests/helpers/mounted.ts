import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerConfig } from "../../lib/config/server_config.ts";
import type { MountedServerOptions } from "../../lib/upstream/server_options.ts";
import type { Result, RpcRequest } from "../../lib/wire/rpc.ts";
import { Upstream, Window } from "./instance.ts";
import { mountedServer } from "./shared_server.ts";

export interface MountedOptions
  extends Pick<MountedServerOptions, "lists" | "probes" | "admissionFor" | "settleMs" | "log"> {
  config?: Partial<ServerConfig>;
  capabilities?: JsonObject;
  /** What each process answers; `n` counts them from 1. */
  answer?(request: RpcRequest, n: number): Result | undefined;
  /** Called for each start; what it throws is why there is none. */
  onStart?(n: number): void | Promise<void>;
}

/** A mounted server whose processes are played by the test, and the configuration each was started with. */
export function mountedUpstreams(options: MountedOptions = {}) {
  const upstreams: Upstream[] = [];
  const configs: ServerConfig[] = [];
  let starts = 0;
  const mount = mountedServer(options.config ?? {}, async (config) => {
    const n = ++starts;
    configs.push(config);
    await options.onStart?.(n);
    const upstream = new Upstream();
    if (options.capabilities) upstream.capabilities = options.capabilities;
    upstream.answer = (request) => options.answer ? options.answer(request, n) : { result: {} };
    upstreams.push(upstream);
    return upstream;
  }, { settleMs: 0, ...options });
  return Object.assign(mount, { upstreams, configs, starts: () => starts });
}

/** A list of tools as a result. */
export const toolsResult = (...names: string[]): Result => ({
  result: { tools: names.map((name) => ({ name, inputSchema: { type: "object" } })) },
});

/** Answers of a server with the tools `probe` and `b`; a call says which of the processes has it, and what it was for. */
export const TOOLS: MountedOptions["answer"] = ({ method, params }, n) =>
  method === "tools/list" ? toolsResult("probe", "b") : { result: { n, name: params?.name ?? null } };

/** Two windows of one directory. */
export const windows = (capabilities: JsonObject = {}) =>
  ["ada", "bob"].map((id) => new Window(id, capabilities, { cwd: "/w" })) as [Window, Window];

export const sentTo = (upstream: Upstream, method: string) =>
  upstream.sent.filter((message) => "method" in message && message.method === method);

export const lists = (window: Window) => window.call({ method: "tools/list", params: {} });

export const namesOf = (list: unknown) => (list as { name: string }[]).map(({ name }) => name);
