import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Tool } from "./tool.ts";

/** The tools offered in `LEAN_MODE`. */
export const LEAN_TOOLS: readonly string[] = [
  "version",
  "health",
  "listmodels",
  "challenge",
  "planner",
  "chat",
  "thinkdeep",
  "codereview",
  "debug",
];

/** Always offered: clients and `tools/smoke.ts` call it to check that the daemon works. */
const ALWAYS_OFFERED = "version";

export interface ToolSelectionOptions {
  /** The names of tools not to offer (`DISABLED_TOOLS`). */
  disabledTools: readonly string[];
  /** Whether only {@linkcode LEAN_TOOLS} are offered. */
  leanMode: boolean;
  /** Tools offered in `LEAN_MODE` too: those of the user. */
  alwaysWanted?: readonly string[];
}

/** The result of {@linkcode selectTools}. */
interface ToolSelection {
  offered: Tool[];
  /** The setting that disables each tool that is not offered, by name. */
  disabledBy: ReadonlyMap<string, string>;
  /** Settings without the intended effect, a sentence each. */
  warnings: string[];
}

/** Selects the tools to offer by the settings. */
export function selectTools(tools: readonly Tool[], options: ToolSelectionOptions): ToolSelection {
  const names = tools.map((tool) => tool.name);
  const disabled = new Set(options.disabledTools);
  const wanted = [...LEAN_TOOLS, ...options.alwaysWanted ?? []];
  const disabledBy = new Map<string, string>();
  for (const name of names) {
    if (name === ALWAYS_OFFERED) continue;
    if (disabled.has(name)) disabledBy.set(name, "DISABLED_TOOLS");
    else if (options.leanMode && !wanted.includes(name)) disabledBy.set(name, "LEAN_MODE");
  }
  const warnings = [...disabled].flatMap((name) => {
    if (name === ALWAYS_OFFERED) return [`DISABLED_TOOLS names ${name}, which is always offered`];
    if (names.includes(name)) return [];
    return [
      `DISABLED_TOOLS names ${quoteName(name)}, but there is no such tool${didYouMean(name, names)}`,
    ];
  });
  return { offered: tools.filter((tool) => !disabledBy.has(tool.name)), disabledBy, warnings };
}
