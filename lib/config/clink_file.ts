import { dirname, resolve } from "@std/path";
import * as z from "zod/mini";
import { messageOf } from "../base/errors.ts";
import { isObject, type JsonObject, ownEntry } from "../base/json.ts";
import { fill } from "../base/template.ts";
import { SECOND_MS } from "../base/units.ts";
import { AGENT_KEYS, agentSchema, CLINK_KEYS, limitsSchema, PRESET_NAMES, roleSchema } from "./clink_keys.ts";
import { type ConfigFault, formatKey } from "./config_fault.ts";
import { type JsonDocument, parseDocument } from "./json_document.ts";
import { readRegularFile } from "./regular_file.ts";
import { whyUntrusted } from "./trust.ts";
import { Expander, VariableFault } from "./variables.ts";

export { clinkJsonSchema } from "./clink_keys.ts";

/** An agent as the user describes it; what is left out stays as its preset has it. */
export interface AgentEntry extends Omit<z.output<typeof agentSchema>, "timeoutSeconds" | "env"> {
  name: string;
  env: Readonly<Record<string, string | null>>;
  timeoutMs?: number;
}

/** The instructions of a role: a text, or a file that is read when the role is used. */
export type RoleEntry = { name: string } & ({ text: string } | { file: string });

/** Limits on agents that run. */
export interface AgentLimits {
  /** How deep agents may call agents: 1 lets none of them call another. */
  maxDepth: number;
  /** Agents that run at once. */
  maxRunning: number;
}

/** The content of `clink.json`: the entries without a fault, and the faults. */
interface ClinkFile {
  agents: AgentEntry[];
  roles: RoleEntry[];
  limits: AgentLimits;
  faults: ConfigFault[];
  /** Names of the agents and roles whose entries could not be read. */
  faulty: string[];
  /** Whether the file as a whole could be read. */
  readable: boolean;
  /** Whether the file is missing or empty. */
  isBlank: boolean;
}

export const DEFAULT_LIMITS: AgentLimits = { maxDepth: 1, maxRunning: 4 };

/**
 * Reads the agents and roles from the file at `path` (docs/clink.md); variables as in `mcp.json`. A missing file is an
 * empty one. Faults are part of the result: a faulty entry never hides the others.
 */
export async function readClink(path: string, env: Record<string, string | undefined>): Promise<ClinkFile> {
  const unread = (fault: Omit<ConfigFault, "path">): ClinkFile => ({
    ...emptyFile(),
    readable: false,
    faults: [{ path, ...fault }],
  });
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) {
    return unread({ message: `is not used, since it says which programs run with your rights: ${distrust}` });
  }
  let text: string;
  try {
    text = await readRegularFile(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return { ...emptyFile(), isBlank: true };
    return unread({ message: `cannot be read: ${messageOf(thrown)}` });
  }
  const document = parseDocument(text);
  if ("reason" in document) {
    const { reason: message, line, column } = document;
    return unread({ line, column, message });
  }
  const file = { ...emptyFile(), isBlank: text.trim() === "" };
  const expander = new Expander({ env, configDir: dirname(path) });
  await new ClinkReader(file, { path, document, expander }).read();
  return file;
}

function emptyFile(): ClinkFile {
  return {
    agents: [],
    roles: [],
    limits: DEFAULT_LIMITS,
    faults: [],
    faulty: [],
    readable: true,
    isBlank: false,
  };
}

interface ClinkSource {
  path: string;
  document: JsonDocument;
  expander: Expander;
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

class ClinkReader {
  readonly #file: ClinkFile;
  readonly #source: ClinkSource;

  constructor(file: ClinkFile, source: ClinkSource) {
    this.#file = file;
    this.#source = source;
  }

  async read(): Promise<void> {
    const { agents = {}, roles = {}, $schema: _, ...limits } = this.#source.document.value;
    await this.#readEach("agents", agents, (name, entry) => this.#readAgent(name, entry));
    await this.#readEach("roles", roles, (name, entry) => this.#readRole(name, entry));
    const parsed = limitsSchema.safeParse(limits);
    if (parsed.success) this.#file.limits = { ...DEFAULT_LIMITS, ...parsed.data };
    else this.#issues([], parsed.error.issues);
  }

  async #readEach(
    section: string,
    entries: unknown,
    read: (name: string, entry: unknown) => Promise<void>,
  ): Promise<void> {
    if (!isObject(entries)) {
      this.#file.readable = false;
      return this.#fault([section], 'must be an object: {"name": ...}');
    }
    for (const [name, entry] of Object.entries(entries)) {
      if (!NAME.test(name)) {
        this.#fault([section, name], "cannot be a name; allowed: A-Z a-z 0-9 _ . -");
        continue;
      }
      try {
        await read(name, entry);
      } catch (thrown) {
        if (!(thrown instanceof VariableFault)) throw thrown;
        this.#file.faulty.push(name);
        this.#fault([section, name], thrown.message);
      }
    }
  }

  async #readAgent(name: string, entry: unknown): Promise<void> {
    const path = ["agents", name];
    const parsed = agentSchema.safeParse(isObject(entry) ? await this.#expand(entry) : entry);
    if (!parsed.success) {
      this.#file.faulty.push(name);
      return this.#issues(path, parsed.error.issues);
    }
    const { timeoutSeconds, env = {}, ...rest } = parsed.data;
    const isPreset = rest.preset !== undefined || PRESET_NAMES.some((preset) => preset === name);
    if (!isPreset && rest.command === undefined) {
      this.#file.faulty.push(name);
      return this.#fault(
        path,
        `needs command, the program to start, or preset: ${PRESET_NAMES.join(", ")}`,
      );
    }
    const timeoutMs = timeoutSeconds === undefined ? undefined : timeoutSeconds * SECOND_MS;
    this.#file.agents.push({ ...rest, name, env, timeoutMs });
  }

  async #readRole(name: string, entry: unknown): Promise<void> {
    const parsed = roleSchema.safeParse(isObject(entry) ? await this.#expand(entry) : entry);
    if (!parsed.success) {
      this.#file.faulty.push(name);
      return this.#fault(["roles", name], CLINK_KEYS.roles.allowed);
    }
    const { data } = parsed;
    const dir = dirname(this.#source.path);
    this.#file.roles.push(
      typeof data === "string" ? { name, text: data } : { name, file: resolve(dir, data.file) },
    );
  }

  /** `entry` with the variables in its strings filled in; those of a session are a fault here. */
  async #expand(entry: JsonObject): Promise<JsonObject> {
    const { expander } = this.#source;
    const put = async (value: unknown): Promise<unknown> => {
      if (typeof value === "string") {
        return fill(await expander.expand(value), (name) => {
          throw new VariableFault(
            `holds \${${name}}, which only a session has; agents start in its directory`,
          );
        });
      }
      if (Array.isArray(value)) return await Promise.all(value.map(put));
      if (!isObject(value)) return value;
      const parts = Object.entries(value).map(async ([key, part]) => [key, await put(part)]);
      return Object.fromEntries(await Promise.all(parts));
    };
    return await put(entry) as JsonObject;
  }

  #issues(path: (string | number)[], issues: readonly z.core.$ZodIssue[]): void {
    for (const issue of issues) {
      const where = [...path, ...issue.path as (string | number)[]];
      if (issue.code === "unrecognized_keys") {
        const known = Object.keys(path.length === 0 ? CLINK_KEYS : AGENT_KEYS).join(", ");
        for (const key of issue.keys) this.#fault([...where, key], `is no key here; allowed: ${known}`);
        continue;
      }
      const key = String(issue.path[0]);
      const { allowed } = ownEntry(AGENT_KEYS, key) ?? ownEntry(CLINK_KEYS, key) ??
        { allowed: "must be an object of what is to be changed" };
      this.#fault(where, allowed);
    }
  }

  #fault(path: (string | number)[], message: string): void {
    const { document, path: file } = this.#source;
    this.#file.faults.push({ path: file, ...document.positionOf(path), key: formatKey(path), message });
  }
}
