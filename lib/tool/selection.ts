import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Tool } from "./tool.ts";

/** What `LEAN_MODE` leaves, as far as it is there. */
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

/** Always offered: it is how clients and `smoke` find out that the daemon works, and it costs next to nothing. */
const ALWAYS_OFFERED = "version";

export interface SelectionOptions {
  /** Names of tools not to offer (`DISABLED_TOOLS`). */
  disabledTools: readonly string[];
  /** Whether only {@linkcode LEAN_TOOLS} are offered. */
  leanMode: boolean;
  /** Names that `LEAN_MODE` does not take away: whoever wrote a tool wants it. */
  alwaysWanted?: readonly string[];
}

/** Which tools are offered. */
interface Selection {
  offered: Tool[];
  /** Why each tool that is there is not offered: the setting that switched it off. */
  switchedOff: ReadonlyMap<string, string>;
  /** Settings that do not do what was meant, a sentence each. */
  warnings: string[];
}

/** Chooses among `tools` as the settings say. */
export function selectTools(tools: readonly Tool[], options: SelectionOptions): Selection {
  const names = tools.map((tool) => tool.name);
  const disabled = new Set(options.disabledTools);
  const wanted = [...LEAN_TOOLS, ...options.alwaysWanted ?? []];
  const switchedOff = new Map<string, string>();
  for (const name of names) {
    if (name === ALWAYS_OFFERED) continue;
    if (disabled.has(name)) switchedOff.set(name, "DISABLED_TOOLS");
    else if (options.leanMode && !wanted.includes(name)) switchedOff.set(name, "LEAN_MODE");
  }
  const warnings = [...disabled].flatMap((name) => {
    if (name === ALWAYS_OFFERED) return [`DISABLED_TOOLS names ${name}, which is always offered`];
    if (names.includes(name)) return [];
    return [
      `DISABLED_TOOLS names ${quoteName(name)}, but there is no such tool${didYouMean(name, names)}`,
    ];
  });
  return { offered: tools.filter((tool) => !switchedOff.has(tool.name)), switchedOff, warnings };
}
