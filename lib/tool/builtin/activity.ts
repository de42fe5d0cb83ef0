import * as z from "zod";
import { defineTool } from "../tool.ts";
import { READ_ONLY } from "./annotations.ts";
import { filterLines, MAX_PATTERN_CHARS } from "../line_filter.ts";

const MAX_LINES = 5000;

/** The latest calls from the caller's workspace, one line each. */
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
