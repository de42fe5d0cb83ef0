import { dirname, resolve } from "@std/path";
import type * as z from "zod/mini";
import { isObject, ownEntry } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { AGENT_KEYS, agentSchema, CLINK_KEYS, PRESET_NAMES, roleSchema } from "./clink_keys.ts";
import { type EntryFile, EntryReader, readEntries } from "./entry_file.ts";
import { VariableFault } from "./variables.ts";

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
export interface ClinkFile extends EntryFile {
  agents: AgentEntry[];
  roles: RoleEntry[];
  limits: Partial<AgentLimits>;
  /** The names of what has a fault in it. */
  faulty: { agents: string[]; roles: string[]; limits: string[] };
}

export const DEFAULT_LIMITS: AgentLimits = { maxDepth: 1, maxRunning: 4 };

/** Reads the agents and roles from the file at `path` (docs/clink.md). */
export function readClink(path: string, env: Record<string, string | undefined>): Promise<ClinkFile> {
  const risk = "it says which programs run with your rights";
  return readEntries(path, { env, risk }, { empty: emptyFile, Reader: ClinkReader });
}

function emptyFile(): ClinkFile {
  return {
    agents: [],
    roles: [],
    limits: {},
    faults: [],
    faulty: { agents: [], roles: [], limits: [] },
    readable: true,
    isBlank: false,
  };
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

const { maxDepth, maxRunning } = CLINK_KEYS;
const LIMITS = { maxDepth, maxRunning };

class ClinkReader extends EntryReader<ClinkFile> {
  readonly file = emptyFile();

  async read(): Promise<void> {
    const { agents = {}, roles = {}, $schema: _, ...others } = this.source.document.value;
    await this.#readEach("agents", agents, (name, entry) => this.#readAgent(name, entry));
    await this.#readEach("roles", roles, (name, entry) => this.#readRole(name, entry));
    for (const [key, value] of Object.entries(others)) this.#readLimit(key, value);
  }

  #readLimit(key: string, value: unknown): void {
    const limit = ownEntry(LIMITS, key);
    if (limit === undefined) {
      return this.addFault([key], `is no key here; allowed: ${Object.keys(CLINK_KEYS).join(", ")}`);
    }
    const { success, data } = limit.schema.safeParse(value);
    if (success) this.file.limits = { ...this.file.limits, [key]: data };
    else {
      this.file.faulty.limits.push(key);
      this.addFault([key], limit.allowed);
    }
  }

  /** Reads the entries of a section, each by `read`, which returns whether the entry is good. */
  async #readEach(
    section: "agents" | "roles",
    entries: unknown,
    read: (name: string, entry: unknown) => Promise<boolean>,
  ): Promise<void> {
    if (!isObject(entries)) {
      this.file.readable = false;
      return this.addFault([section], 'must be an object: {"name": ...}');
    }
    for (const [name, entry] of Object.entries(entries)) {
      if (!NAME.test(name)) {
        this.addFault([section, name], "cannot be a name; allowed: A-Z a-z 0-9 _ . -");
      } else if (!await this.#isGood([section, name], () => read(name, entry))) {
        this.file.faulty[section].push(name);
      }
    }
  }

  async #isGood(path: string[], read: () => Promise<boolean>): Promise<boolean> {
    try {
      return await read();
    } catch (thrown) {
      if (!(thrown instanceof VariableFault)) throw thrown;
      this.addFault(path, thrown.message);
      return false;
    }
  }

  async #readAgent(name: string, entry: unknown): Promise<boolean> {
    const path = ["agents", name];
    const parsed = agentSchema.safeParse(await this.expand(entry));
    if (!parsed.success) {
      this.addIssues(path, parsed.error.issues, {
        names: Object.keys(AGENT_KEYS),
        allowed: (key = "") =>
          ownEntry(AGENT_KEYS, key)?.allowed ?? "must be an object of what is to be changed",
      });
      return false;
    }
    const { timeoutSeconds, env = {}, ...rest } = parsed.data;
    const isPreset = rest.preset !== undefined || PRESET_NAMES.some((preset) => preset === name);
    if (!isPreset && rest.command === undefined) {
      const presets = PRESET_NAMES.join(", ");
      this.addFault(path, `needs command, the program to start, or preset: ${presets}`);
      return false;
    }
    const timeoutMs = timeoutSeconds === undefined ? undefined : timeoutSeconds * SECOND_MS;
    this.file.agents.push({ ...rest, name, env, timeoutMs });
    return true;
  }

  async #readRole(name: string, entry: unknown): Promise<boolean> {
    const { success, data } = roleSchema.safeParse(await this.expand(entry));
    if (!success) {
      this.addFault(["roles", name], CLINK_KEYS.roles.allowed);
      return false;
    }
    const dir = dirname(this.source.path);
    this.file.roles.push(
      typeof data === "string" ? { name, text: data } : { name, file: resolve(dir, data.file) },
    );
    return true;
  }
}
