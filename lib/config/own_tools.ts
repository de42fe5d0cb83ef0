import { isObject } from "../base/json.ts";
import type { Setting } from "./setting.ts";

/**
 * Which of EXAI's own tools a window is offered: all, those that can work now (a model is there for them or they need
 * none), the core tools, or none.
 */
const OWN_TOOLS_MODES = ["all", "auto", "lean", "off"] as const;

type OwnToolsMode = typeof OWN_TOOLS_MODES[number];

/** The windows a mode is for. */
export type RuleWindows =
  | { kind: "all" }
  /** Of clients whose name fits a pattern. */
  | { kind: "client"; pattern: string }
  /** In a directory or below it. */
  | { kind: "directory"; path: string };

interface OwnToolsRule {
  windows: RuleWindows;
  mode: OwnToolsMode;
}

/** The first rule that fits a window counts; without one it is offered all tools. */
export type OwnToolsRules = readonly OwnToolsRule[];

const ALLOWED = "all, auto, lean or off, or WHO=MODE separated by commas, where WHO is a client's name " +
  "(* stands for any characters) or an absolute directory; the first that fits counts";

/**
 * The setting `exai`: one mode, or rules as text (`codex*=lean, /home/me/work=off, auto`) or as a JSON object, for names
 * with a comma or `=` (`{"codex*": "lean", "*": "auto"}`).
 */
export const OWN_TOOLS_RULES: Pick<Setting<OwnToolsRules>, "allowed" | "values" | "types" | "read"> = {
  allowed: ALLOWED,
  values: OWN_TOOLS_MODES,
  types: ["string", "object"],
  read: parseRules,
};

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

function windowsOf(who: string): RuleWindows {
  if (who === "*") return { kind: "all" };
  return /^(~|([A-Za-z]:)?[\\/])/.test(who)
    ? { kind: "directory", path: who }
    : { kind: "client", pattern: who };
}
