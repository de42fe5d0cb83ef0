import { ownEntry } from "../base/json.ts";
import type { ThinkingMode } from "../provider/provider.ts";

/** How models are asked where neither the call nor the tool says. */
export interface ModelDefaults {
  /** The language of answers, as a BCP 47 tag; that of the question by default. */
  locale?: string;
  /** Before the default of a tool. */
  thinkingMode?: ThinkingMode;
  /** Before `thinkingMode`. */
  thinkingModeByTool?: Readonly<Record<string, ThinkingMode>>;
}

/** The thinking mode of `tool` by the user's defaults; undefined leaves it to the tool. */
export function defaultThinkingMode(
  { thinkingMode, thinkingModeByTool = {} }: ModelDefaults,
  tool: string,
): ThinkingMode | undefined {
  return ownEntry(thinkingModeByTool, tool) ?? thinkingMode;
}

/** The instruction to answer in the language of `locale`; empty without one. */
export function languageInstruction({ locale }: ModelDefaults): string {
  if (locale === undefined) return "";
  const language = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" }).of(locale);
  return `Write everything meant for people in ${language} (${locale}), whatever the language of the material. Keep code, ` +
    "names, paths, quotations, and the keys and fixed values of JSON as they are.";
}
