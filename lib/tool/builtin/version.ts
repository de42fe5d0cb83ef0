import * as z from "zod";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import { READ_ONLY } from "../annotations.ts";
import type { ToolHost } from "../host.ts";
import { defineTool } from "../tool.ts";

/** Describes the daemon. Clients call it as a health check, so it does no I/O. */
export const version = defineTool({
  name: "version",
  title: "Version",
  description: "Version of EXAI, MCP revisions it speaks, runtime, uptime and configured providers.",
  input: z.object({}),
  ignores: ["model"],
  annotations: READ_ONLY,
  run: (_args, { host }) => ({ content: describe(host) }),
});

function describe(host: ToolHost): string {
  const providers = host.providers().map(({ name }) => name).join(", ");
  return `exai ${host.version}
MCP revisions: ${host.revisions.join(", ")}
runtime: ${host.runtime}, pid ${host.pid}
uptime: ${formatUptime(Date.now() - host.startedAtMs)}
providers: ${providers || "none set up; listmodels says how"}`;
}

/** "3 h 12 min", "45 s". */
function formatUptime(uptimeMs: number): string {
  if (uptimeMs < MINUTE_MS) return `${Math.max(0, Math.floor(uptimeMs / SECOND_MS))} s`;
  const minutes = Math.floor(uptimeMs % HOUR_MS / MINUTE_MS);
  return uptimeMs < HOUR_MS ? `${minutes} min` : `${Math.floor(uptimeMs / HOUR_MS)} h ${minutes} min`;
}
