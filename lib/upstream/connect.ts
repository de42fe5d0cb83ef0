// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { ServerConfig } from "../base/server_config.ts";
import type { UpstreamTransport } from "./instance.ts";
import { connectUrl } from "./url_transport.ts";

/** Connects to a server as its configuration says: starts the process, or opens the URL. */
export function connect(config: ServerConfig): Promise<UpstreamTransport> {
  if (config.kind !== "stdio") return Promise.resolve(connectUrl(config));
  const env = config.env as Record<string, string>;
  const t = new StdioClientTransport({
    command: config.command,
    args: [...config.args],
    env: { ...env, PATH: Deno.env.get("PATH")!, HOME: Deno.env.get("HOME")! },
    cwd: config.cwd,
    stderr: "ignore",
  });
  return Promise.resolve(t as unknown as UpstreamTransport);
}
