import * as z from "zod/mini";

const text = z.string().check(z.minLength(1), z.maxLength(10_000));
const words = z.array(z.string().check(z.maxLength(10_000))).check(z.maxLength(200));

/** What is written under one key: its schema, what a good value looks like, what it is for. */
function key<S extends z.ZodMiniType>(schema: S, allowed: string, help: string) {
  return { schema, allowed: `must be ${allowed}`, help };
}

function whole(least: number, most: number, help: string) {
  return key(z.int().check(z.gte(least), z.lte(most)), `a whole number from ${least} to ${most}`, help);
}

/** Agents that need no `command`. */
export const PRESET_NAMES = ["claude", "codex", "gemini", "opencode"] as const;

export type PresetName = (typeof PRESET_NAMES)[number];

/** What the output of an agent may be read as. */
const AGENT_FORMATS = [...PRESET_NAMES, "text"] as const;

export type AgentFormat = (typeof AGENT_FORMATS)[number];

/** The keys of one agent. */
export const AGENT_KEYS = {
  preset: key(
    z.enum(PRESET_NAMES),
    PRESET_NAMES.join(", "),
    "The agent this one is like, but for the keys set here",
  ),
  command: key(text, "the program, without arguments", "Program to start: a name in the PATH or a full path"),
  args: key(
    words,
    "an array of texts",
    "Arguments, behind those of the preset. {prompt} stands for the task, which is written to stdin otherwise",
  ),
  permissions: key(
    words,
    "an array of texts",
    "Arguments that say what the agent may do, in place of the preset's, which let it read",
  ),
  model: key(text, "the agent's own name of a model", "Model it is started with when a call names none"),
  modelArgs: key(words, "an array of texts", "Arguments that choose a model; {model} stands for its name"),
  resumeArgs: key(
    words,
    "an array of texts",
    "Arguments that continue a session of the agent; {session} stands for its id",
  ),
  format: key(z.enum(AGENT_FORMATS), AGENT_FORMATS.join(", "), "What its output is read as"),
  env: key(
    z.record(z.string(), z.nullable(z.string())),
    "an object of names and texts, or null",
    "Environment variables; null takes one away",
  ),
  timeoutSeconds: whole(1, 86_400, "How long one task may take, in seconds (1800)"),
  disabled: key(z.boolean(), "true or false", "Whether to leave the agent out"),
};

/** The keys of the file. */
export const CLINK_KEYS = {
  agents: {
    allowed: 'must be an object: {"name": {}}',
    help: "Agents by name; a preset's name changes that preset",
  },
  roles: {
    allowed: 'must be the instructions as a text, or {"file": "PATH"}',
    help: "Instructions by the name of a role; default is used when a call names none",
  },
  maxDepth: whole(
    1,
    5,
    "How deep agents may hand tasks to agents; 1: an agent that clink runs hands none on (1)",
  ),
  maxRunning: whole(1, 64, "Agents that run at once (4)"),
};

type AgentShape = {
  [N in keyof typeof AGENT_KEYS]: z.ZodMiniOptional<(typeof AGENT_KEYS)[N]["schema"]>;
};

const agentShape = Object.fromEntries(
  Object.entries(AGENT_KEYS).map(([name, { schema, help }]) => {
    const described: z.ZodMiniType = schema;
    return [name, z.optional(described.check(z.describe(help)))];
  }),
) as AgentShape;

export const agentSchema = z.strictObject(agentShape);
export const roleSchema = z.union([text, z.strictObject({ file: text })]);

/** JSON Schema (draft 7, which VS Code reads in full) of `clink.json`, for completion in an editor. */
export function clinkJsonSchema(): Record<string, unknown> {
  const file = z.strictObject({
    $schema: z.optional(z.string()),
    agents: z.optional(z.record(z.string(), agentSchema).check(z.describe(CLINK_KEYS.agents.help))),
    roles: z.optional(z.record(z.string(), roleSchema).check(z.describe(CLINK_KEYS.roles.help))),
    maxDepth: z.optional(CLINK_KEYS.maxDepth.schema.check(z.describe(CLINK_KEYS.maxDepth.help))),
    maxRunning: z.optional(CLINK_KEYS.maxRunning.schema.check(z.describe(CLINK_KEYS.maxRunning.help))),
  }).check(z.meta({ title: "clink.json of EXAI", description: "Agents that the tool clink hands tasks to" }));
  return z.toJSONSchema(file, { target: "draft-7", io: "input" }) as Record<string, unknown>;
}
