import * as z from "zod";
import { defineTool } from "../tool.ts";
import { READ_ONLY } from "./annotations.ts";

/** How the daemon fares: the report of `health.json`, and the latest failures in the caller's workspace. */
export const health = defineTool({
  name: "health",
  title: "Health",
  description:
    "Health of the daemon (sessions, load, memory, faults) and the latest errors in this workspace.",
  input: z.object({
    tail_lines: z.int().min(0).max(1000).default(50).describe("errors to show"),
  }),
  annotations: READ_ONLY,
  async run({ tail_lines }, { host, whereabouts }) {
    const [report, errors] = await Promise.all([host.health(), host.recentErrors(whereabouts, tail_lines)]);
    return { content: { health: report, recent_errors: [...errors] } };
  },
});
