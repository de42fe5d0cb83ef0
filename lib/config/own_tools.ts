import { resolve } from "@std/path/resolve";
import * as z from "zod/mini";
import { anyOf } from "../base/patterns.ts";
import { isObject } from "../base/json.ts";
import type { Setting } from "./setting.ts";

/**
 * Which of EXAI's own tools a window is offered: all, those that can work now (a model is there for them or they need
 * none), the core tools, or none.
 */
const OWN_TOOLS_MODES = ["all", "auto", "lean", "off"] as const;

type OwnToolsMode = typeof OWN_TOOLS_MODES[number];

/** The windows a mode is for. */
type Windows =
  | { kind: "all" }
  /** Of clients whose name fits a pattern. */
  | { kind: "client"; pattern: string }
  /** In a directory or below it. */
  | { kind: "directory"; path: string };

interface OwnToolsRule {
  windows: Windows;
  mode: OwnToolsMode;
}

/** The first rule that fits a window counts; without one it is offered all tools. */
type OwnToolsRules = readonly OwnToolsRule[];

/** What decides the mode of a window. */
interface Window {
  /** The name its client gives itself. */
  client: string | undefined;
  /** Absolute; undefined for a window without a directory. */
  cwd: string | undefined;
  /** The home directory of the user, for `~`. */
  home: string;
}

const ALLOWED = "all, auto, lean or off, or WHO=MODE separated by commas, where WHO is a client's name " +
  "(* stands for any characters) or an absolute directory; the first that fits counts";

/**
 * The setting `exai`: one mode, or rules as text (`codex*=lean, /home/me/work=off, auto`) or as a JSON object, for names
 * with a comma or `=` (`{"codex*": "lean", "*": "auto"}`).
 */
export const OWN_TOOLS_RULES: Pick<Setting<OwnToolsRules>, "allowed" | "values" | "types" | "schema"> = {
  allowed: ALLOWED,
  values: OWN_TOOLS_MODES,
  types: ["string", "object"],
  schema: z.pipe(
    z.string().check(z.refine((text) => parseRules(text) !== undefined)),
    z.transform((text: string) => parseRules(text)!),
  ),
};

/** `rules` with the real paths of their directories, as a window in a directory behind a link gives its real path. */
export function withRealPaths(
  rules: OwnToolsRules,
  { home, realPath }: { home: string; realPath(dir: string): string },
): OwnToolsRules {
  return rules.flatMap((rule) => {
    if (rule.windows.kind !== "directory") return [rule];
    const path = realPath(resolve(expandHome(rule.windows.path, home)));
    return [rule, { ...rule, windows: { ...rule.windows, path } }];
  });
}

/** The mode of one window. */
export function ownToolsMode(rules: OwnToolsRules, window: Window): OwnToolsMode {
  return rules.find(({ windows }) => covers(windows, window))?.mode ?? "all";
}

function covers(windows: Windows, { client = "", cwd, home }: Window): boolean {
  switch (windows.kind) {
    case "all":
      return true;
    case "client":
      return anyOf([windows.pattern], { ignoreCase: true }).test(client);
    case "directory":
      return cwd !== undefined && isWithin(resolve(cwd), resolve(expandHome(windows.path, home)));
  }
}

function isWithin(path: string, dir: string): boolean {
  if (path === dir) return true;
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  return path.startsWith(dir.endsWith(separator) ? dir : dir + separator);
}

/** Undefined for text that is no such setting. */
function parseRules(text: string): OwnToolsRules | undefined {
  const pairs = text.trim().startsWith("{") ? pairsOfJson(text) : text.split(",").map(pairOf);
  const rules = pairs?.map(([who, mode]) => ruleOf(who.trim(), mode));
  return rules && rules.length > 0 && rules.every((rule) => rule !== undefined) ? rules : undefined;
}

function pairsOfJson(text: string): [string, unknown][] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? Object.entries(value) : undefined;
  } catch {
    return undefined;
  }
}

function pairOf(text: string): [string, string] {
  const at = text.lastIndexOf("=");
  return at === -1 ? ["*", text] : [text.slice(0, at), text.slice(at + 1)];
}

function ruleOf(who: string, named: unknown): OwnToolsRule | undefined {
  const mode = OWN_TOOLS_MODES.find((mode) => mode === String(named).trim().toLowerCase());
  return mode === undefined || who === "" ? undefined : { windows: windowsOf(who), mode };
}

function windowsOf(who: string): Windows {
  if (who === "*") return { kind: "all" };
  return /^(~|([A-Za-z]:)?[\\/])/.test(who)
    ? { kind: "directory", path: who }
    : { kind: "client", pattern: who };
}

function expandHome(path: string, home: string): string {
  return path === "~" || /^~[/\\]/.test(path) ? home + path.slice(1) : path;
}
