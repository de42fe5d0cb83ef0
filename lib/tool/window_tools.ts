import type { Agents } from "../agent/agents.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import type { Caller } from "../call/call.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import { describeNoModel } from "../provider/no_model.ts";
import type { ToolDefinition } from "../wire/mcp.ts";
import type { OfferedTools } from "./offered_tools.ts";
import type { Tool, ToolNeeds } from "./tool.ts";
import { LEAN_TOOLS } from "./tool_selection.ts";

/** Which of the offered tools a window sees; the user's own are seen in every mode. */
export type ToolsMode = "all" | "auto" | "lean" | "off";

interface WindowToolsOptions {
  models: Pick<ModelRouter, "status">;
  agents: Pick<Agents, "hasAny">;
  /** Left out: every window sees all tools. */
  modeOf?(caller: Caller): ToolsMode;
  /** The names of the tools the user has written. */
  userTools: ReadonlySet<string>;
}

/** What a tool that needs no model lacks, and how to get it. */
const MISSING: Readonly<Record<Exclude<ToolNeeds, "model">, readonly [needs: string, how: string]>> = {
  kimi: ["Kimi, which is not set up", "listmodels says how"],
  agent: [
    "the command line of another agent, and none is found",
    "install Claude Code, Codex, Gemini CLI or opencode, or describe one in clink.json",
  ],
};

const NO_NEEDS: ReadonlySet<ToolNeeds> = new Set();

/** The offered tools as each window sees them. */
export class WindowTools {
  readonly #offered: OfferedTools;
  readonly #options: WindowToolsOptions;
  /** By what they depend on, so that windows that see the same tools share one list. */
  readonly #lists = new Map<string, readonly ToolDefinition[]>();

  constructor(offered: OfferedTools, options: WindowToolsOptions) {
    this.#offered = offered;
    this.#options = options;
  }

  /** The definitions for the window of `caller`. */
  of(caller: Caller): readonly ToolDefinition[] {
    const mode = this.#modeOf(caller);
    if (mode === "all") return this.#offered.definitions;
    const met = this.#metNeeds(mode, caller);
    const key = [mode, ...met].join();
    let list = this.#lists.get(key);
    if (!list) {
      list = Object.freeze(
        this.#offered.definitions.filter(({ name }) => this.#isSeen(this.#offered.find(name), mode, met)),
      );
      this.#lists.set(key, list);
    }
    return list;
  }

  /**
   * Returns the tool `name`.
   *
   * @throws {ExaiError} `TOOL_NOT_FOUND` naming the setting that hides or disables it, or similar names
   */
  find(name: string, caller: Caller): Tool {
    const why = this.whyNotOffered(name, caller);
    if (why !== undefined) throw new ExaiError("TOOL_NOT_FOUND", why);
    return this.#offered.find(name);
  }

  /** Why the tool `name` cannot be called by `caller`, in a sentence; undefined: it can, or there is none. */
  whyNotOffered(name: string, caller: Caller): string | undefined {
    const tool = this.#offered.get(name);
    if (!tool) return this.#offered.whyDisabled(name);
    const mode = this.#modeOf(caller);
    if (this.#isSeen(tool, mode, this.#metNeeds(mode, caller))) return undefined;
    if (mode === "auto") {
      const [needs, how] = tool.needs === undefined || tool.needs === "model"
        ? ["a model", describeNoModel([])]
        : MISSING[tool.needs];
      return `the tool ${name} needs ${needs} (exai is auto, so that it is not listed): ${how}`;
    }
    return `the tool ${name} is not offered to this window: exai (EXAI_OWN_TOOLS) is ${mode} for its client and directory`;
  }

  /** Whether `caller` is offered none of EXAI's own tools. */
  isOff(caller: Caller): boolean {
    return this.#modeOf(caller) === "off";
  }

  /** The needs of tools that count in `mode`, and are met now. */
  #metNeeds(mode: ToolsMode, { capabilities }: Caller): ReadonlySet<ToolNeeds> {
    if (mode !== "auto") return NO_NEEDS;
    const met = providedNeeds(this.#options);
    if (isObject(capabilities.sampling)) met.add("model");
    return met;
  }

  #modeOf(caller: Caller): ToolsMode {
    return this.#options.modeOf?.(caller) ?? "all";
  }

  #isSeen({ name, needs }: Tool, mode: ToolsMode, met: ReadonlySet<ToolNeeds>): boolean {
    if (mode === "all" || this.#options.userTools.has(name)) return true;
    if (mode === "auto") return needs === undefined || met.has(needs);
    return mode === "lean" && LEAN_TOOLS.includes(name);
  }
}

/**
 * What the tools of every window have: a provider with models, Kimi, another agent. An open circuit breaker is passing
 * and does not count.
 */
export function providedNeeds(
  { models, agents }: { models: Pick<ModelRouter, "status">; agents: Pick<Agents, "hasAny"> },
): Set<ToolNeeds> {
  const providers = models.status();
  const met = new Set<ToolNeeds>();
  if (providers.some(({ models }) => models.length > 0)) met.add("model");
  if (providers.some(({ name, kind = name }) => kind === "kimi")) met.add("kimi");
  if (agents.hasAny) met.add("agent");
  return met;
}
