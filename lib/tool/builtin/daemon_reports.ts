import * as z from "zod";
import { READ_ONLY } from "../annotations.ts";
import { filterLines, MAX_PATTERN_CHARS } from "../line_filter.ts";
import { defineTool } from "../tool.ts";

const MAX_LINES = 5000;

/** Shows the report of `health.json` and the latest errors in the caller's workspace. */
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

/** Shows the latest calls from the caller's workspace, one line each. */
export const activity = defineTool({
  name: "activity",
  title: "Activity",
  description: "Latest calls from this workspace, one line each: time, tool, outcome, duration, session.",
  input: z.object({
    lines: z.int().min(10).max(MAX_LINES).default(200),
    filter: z.string().max(MAX_PATTERN_CHARS).optional()
      .describe(`RE2 regex; keeps matching lines among the latest ${MAX_LINES}`),
  }),
  annotations: READ_ONLY,
  async run({ lines, filter }, { host, whereabouts, signal }) {
    if (!filter) {
      return { content: show(await host.activity(whereabouts, lines), "no call is on record yet") };
    }
    const latest = await host.activity(whereabouts, MAX_LINES);
    const matching = await filterLines(latest, filter, signal);
    return {
      content: show(matching.slice(-lines), `none of the latest ${latest.length} calls matches ${filter}`),
    };
  },
});

function show(lines: readonly string[], ifEmpty: string): string {
  return lines.length === 0 ? ifEmpty : lines.join("\n");
}
