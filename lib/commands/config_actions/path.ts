import { UsageError } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import { quoteName } from "../../base/text.ts";
import { isThere } from "../../config/path_kind.ts";
import { statePaths } from "../../config/paths.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { formatTable } from "../table.ts";

/** What a path is for, by the name it is asked for. */
const PATHS = {
  exai: "settings",
  mcp: "mounted servers",
  models: "models and providers of your own",
  tools: "tools of your own",
  home: "state directory",
  logs: "log files",
} as const;

type PathName = keyof typeof PATHS;

const NAMES = Object.keys(PATHS) as PathName[];

export const configPaths: Action = {
  summary: "Say where the files are",
  forms: [
    { args: "", does: "every path, and whether there is something at it" },
    { args: `[${NAMES.join("|")}]`, does: "one path alone, for scripts" },
  ],
  run: paths,
};

async function paths({ args: [name], settings }: Invocation): Promise<CommandResult> {
  const { settings: exai, config: mcp, models, tools, home, logs } = statePaths(settings);
  const found: Record<PathName, string> = { exai, mcp, models, tools, home, logs };
  if (name !== undefined) {
    const path = NAMES.find((known) => known === name.replace(/\.json$/, ""));
    if (path !== undefined) return { text: found[path], json: { [path]: found[path] } };
    throw new UsageError(
      `${quoteName(name)} is no path that is known${didYouMean(name, NAMES)}; there are: ${NAMES.join(", ")}`,
    );
  }
  const rows = await Promise.all(
    (Object.entries(PATHS) as [PathName, string][]).map(async ([name, what]) => ({
      name,
      what,
      is_there: await isThere(found[name]),
      path: found[name],
    })),
  );
  const cells = rows.map(({ name, what, is_there, path }) => [name, what, is_there ? "yes" : "no", path]);
  return { text: formatTable(["NAME", "WHAT", "THERE", "PATH"], cells), json: rows };
}
