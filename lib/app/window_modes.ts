import { resolve } from "@std/path";
import { expandHome, isWithin } from "../base/directories.ts";
import { anyOf } from "../base/patterns.ts";
import type { OwnToolsRules, RuleWindows } from "../config/own_tools.ts";
import type { ToolsMode } from "../tool/window_tools.ts";

/** What decides the mode of a window. */
interface ModeWindow {
  /** The name its client gives itself. */
  client?: string;
  /** Absolute; undefined for a window without a directory. */
  cwd?: string;
}

interface ModeOptions {
  /** The home directory of the user, for `~`. */
  home: string;
  /** The real path of a directory, as a window in one behind a link may give either. */
  realPath(dir: string): string;
}

/** The mode of each window by `rules`: the first that fits counts, and without one it is offered all tools. */
export function windowModes(rules: OwnToolsRules, options: ModeOptions): (window: ModeWindow) => ToolsMode {
  const compiled = rules.map(({ windows, mode }) => ({ covers: covers(windows, options), mode }));
  return (window) => compiled.find((rule) => rule.covers(window))?.mode ?? "all";
}

function covers(windows: RuleWindows, { home, realPath }: ModeOptions): (window: ModeWindow) => boolean {
  switch (windows.kind) {
    case "all":
      return () => true;
    case "client": {
      const names = anyOf([windows.pattern], { ignoreCase: true });
      return ({ client = "" }) => names.test(client);
    }
    case "directory": {
      const dir = resolve(expandHome(windows.path, home));
      const dirs = [...new Set([dir, realPath(dir)])];
      return ({ cwd }) => cwd !== undefined && dirs.some((dir) => isWithin(resolve(cwd), dir));
    }
  }
}
