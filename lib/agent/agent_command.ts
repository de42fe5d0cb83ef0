import { ownEntry } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { AgentEntry } from "../config/clink_file.ts";
import type { AgentFormat } from "../config/clink_keys.ts";
import type { ClinkInForce } from "../config/clink_watch.ts";
import { type AgentPreset, PRESETS } from "./presets.ts";

/** How an agent is started, with all that the user has said of it. */
export interface AgentCommand {
  name: string;
  command: string;
  format: AgentFormat;
  timeoutMs: number;
  /** Variables of the user's environment that it gets. */
  passes: readonly string[];
  env: Readonly<Record<string, string | null>>;
  /** Whether it can continue a session of its own. */
  canResume: boolean;
  /** How to install it; undefined for an agent that is not a known one. */
  install: string | undefined;
  /** What to do about a failure, by exit code. */
  adviceByCode: Readonly<Record<number, string>>;
  /** The prompt, where it is an argument and not written to stdin, is put in place of `{prompt}`. */
  takesPromptArgument: boolean;
  argsFor(run: { model: string | undefined; session: string | undefined; prompt: string }): string[];
}

const TIMEOUT_MS = 30 * MINUTE_MS;

/** For an agent without a preset. */
const PLAIN: AgentPreset = {
  command: "",
  args: [],
  restricted: { args: [] },
  modelArgs: [],
  startArgs: [],
  resumeArgs: [],
  format: "text",
  passes: [],
  install: "",
};

/** The agents that may be started: those of the user in their order, then the presets that the user says nothing of. */
export function agentCommands(
  { agents, unusable }: Pick<ClinkInForce, "agents" | "unusable">,
): AgentCommand[] {
  const said = [...agents.map(({ name }) => name), ...unusable];
  const presets = Object.keys(PRESETS).filter((name) => !said.includes(name));
  const own = agents.filter(({ disabled }) => !disabled);
  return [...own, ...presets.map((name): AgentEntry => ({ name, env: {} }))].map(commandOf);
}

function commandOf(entry: AgentEntry): AgentCommand {
  const known: AgentPreset | undefined = ownEntry(PRESETS, entry.preset ?? entry.name);
  const preset = known ?? PLAIN;
  const { args = [], permissions, modelArgs = preset.modelArgs, resumeArgs = preset.resumeArgs } = entry;
  const takesPromptArgument = args.some((arg) => arg.includes("{prompt}"));
  return {
    name: entry.name,
    command: entry.command ?? preset.command,
    format: entry.format ?? preset.format,
    timeoutMs: entry.timeoutMs ?? TIMEOUT_MS,
    passes: preset.passes,
    env: { ...(permissions === undefined ? preset.restricted.env : {}), ...entry.env },
    canResume: resumeArgs.length > 0,
    install: known?.install,
    adviceByCode: preset.adviceByCode ?? {},
    takesPromptArgument,
    argsFor({ model = entry.model, session, prompt }) {
      const ends = session === undefined ? preset.startArgs : put(resumeArgs, { session });
      return [
        ...preset.args,
        ...permissions ?? preset.restricted.args,
        ...(model === undefined ? [] : put(modelArgs, { model })),
        ...put(args, { prompt }),
        ...ends,
      ];
    },
  };
}

/** `args` with each `{name}` replaced by its value. */
function put(args: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return args.map((arg) =>
    // A function, as a replacement text has signs of its own.
    Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, () => value), arg)
  );
}
