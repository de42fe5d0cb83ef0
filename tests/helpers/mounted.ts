import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerConfig } from "../../lib/base/server_config.ts";
import type { MountedServerOptions } from "../../lib/upstream/mounted_server.ts";
import type { PoolOptions } from "../../lib/upstream/pool.ts";
import type { Result, RpcRequest } from "../../lib/wire/rpc.ts";
import { Upstream } from "./instance.ts";
import { mountedServer } from "./shared_server.ts";

export interface MountedOptions
  extends MountedServerOptions, Pick<PoolOptions, "admissionFor" | "settleMs" | "log"> {
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
