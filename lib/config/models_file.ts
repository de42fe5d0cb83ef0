import * as z from "zod/mini";
import { isObject, ownEntry } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { type EntryFile, EntryReader, readEntries } from "./entry_file.ts";
import type { SecretReader } from "./secrets.ts";
import { VariableFault } from "./variables.ts";

const MODEL_APIS = ["chat", "responses"] as const;
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

const name = z.string().check(z.minLength(1), z.maxLength(200));
const tokens = z.int().check(z.gte(256), z.lte(100_000_000));
const isHttp = (value: string) => /^https?:$/.test(URL.parse(value)?.protocol ?? "");

const usd = z.number().check(z.gte(0), z.lte(1_000_000));
const rates = { input: usd, output: usd, cachedInput: z.optional(usd) };

const price = z.strictObject({
  ...rates,
  long: z.optional(z.strictObject({ above: tokens, ...rates })),
});

const provider = z.strictObject({
  url: z.string().check(z.refine(isHttp)),
  apiKey: z.optional(z.string()),
  headers: z.optional(z.record(z.string(), z.string())),
  models: z.optional(z.array(name)),
  timeoutSeconds: z.optional(z.number().check(z.gte(1), z.lte(3600))),
});

const model = z.strictObject({
  name,
  provider: z.optional(name),
  aliases: z.optional(z.array(name)),
  class: z.optional(z.enum(["fast", "balanced", "deep"])),
  contextTokens: z.optional(tokens),
  maxOutputTokens: z.optional(tokens),
  images: z.optional(z.boolean()),
  tools: z.optional(z.boolean()),
  search: z.optional(z.boolean()),
  jsonSchema: z.optional(z.boolean()),
  documents: z.optional(z.boolean()),
  thinking: z.optional(z.union([
    z.enum(["none", "switch", "always"]),
    z.array(z.enum(EFFORTS)).check(z.minLength(1)),
  ])),
  thinkingBudget: z.optional(tokens),
  temperature: z.optional(z.boolean()),
  api: z.optional(z.enum(MODEL_APIS)),
  background: z.optional(z.boolean()),
  auto: z.optional(z.boolean()),
  price: z.optional(price),
});

/** A server with the OpenAI API, configured by the user. */
export interface CustomProvider {
  name: string;
  baseUrl: string;
  apiKey?: string;
  headers?: Record<string, string>;
  models?: string[];
  silenceMs?: number;
}

/** Facts about a model, set by the user; the others stay as EXAI knows them. */
export type ModelOverride = z.output<typeof model>;

/** The content of `models.json`: the entries without a fault, and the faults. */
export interface ModelsFile extends EntryFile {
  providers: CustomProvider[];
  models: ModelOverride[];
  /** Names of the providers whose entries could not be read. */
  faultyProviders: string[];
  /** Names of the models whose entries could not be read, where those have a name. */
  faultyModels: string[];
}

/** Names a custom provider may not have: those of built-in providers, and words with a meaning as a model. */
const TAKEN_NAMES = [
  "kimi",
  "glm",
  "openai",
  "azure",
  "xai",
  "gemini",
  "anthropic",
  "openrouter",
  "client",
  "auto",
  "all",
];

/** Reads the custom providers and models from the file at `path` (docs/models.md). */
export function readModels(
  path: string,
  env: Record<string, string | undefined>,
  secrets: SecretReader | "hidden" = "hidden",
): Promise<ModelsFile> {
  const risk = "it says who is sent your keys and questions";
  return readEntries(path, { env, secrets, risk }, { empty: emptyFile, Reader: ModelsReader });
}

function emptyFile(): ModelsFile {
  return {
    providers: [],
    models: [],
    faults: [],
    faultyProviders: [],
    faultyModels: [],
    readable: true,
    isBlank: false,
  };
}

const FLAGS = ["images", "tools", "search", "jsonSchema", "documents", "temperature", "background", "auto"];

/** What a good value looks like, by key. */
const ALLOWED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(FLAGS.map((key) => [key, "must be true or false"])),
  url: "must be a URL with http or https",
  apiKey: "must be a text, best ${secret:NAME} or ${env:NAME}",
  headers: "must be an object of names and texts",
  models: "must be an array of names",
  timeoutSeconds: "must be a number from 1 to 3600",
  name: "must be the name of a model",
  provider: "must be the name of a provider",
  aliases: "must be an array of names",
  class: "must be fast, balanced or deep",
  contextTokens: "must be a whole number of at least 256",
  maxOutputTokens: "must be a whole number of at least 256",
  api: "must be chat or responses",
  thinkingBudget: "must be a whole number of at least 256",
  price: 'must be {"input": …, "output": …, "cachedInput": …} in US dollars per million tokens',
  thinking: `must be "none", "switch", "always", or an array of ${EFFORTS.join(", ")}`,
};

class ModelsReader extends EntryReader<ModelsFile> {
  readonly file = emptyFile();

  async read(): Promise<void> {
    const { value } = this.source.document;
    for (const key of Object.keys(value)) {
      if (!["$schema", "providers", "models"].includes(key)) {
        this.addFault([key], "is no key here; allowed: providers, models");
      }
    }
    const { providers = {}, models = [] } = value;
    if (isObject(providers)) {
      for (const [name, entry] of Object.entries(providers)) await this.#readProvider(name, entry);
    } else this.#misshapen("providers", 'must be an object: {"name": {"url": ...}}');
    if (Array.isArray(models)) models.forEach((entry, i) => this.#readModel(i, entry));
    else this.#misshapen("models", 'must be an array: [{"name": ...}]');
  }

  async #readProvider(name: string, entry: unknown): Promise<void> {
    const path = ["providers", name];
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name) || TAKEN_NAMES.includes(name)) {
      this.addFault(path, `cannot be a name; allowed: A-Z a-z 0-9 _ . -, none of ${TAKEN_NAMES.join(", ")}`);
      return;
    }
    try {
      const parsed = provider.safeParse(await this.expand(entry));
      if (!parsed.success) {
        this.file.faultyProviders.push(name);
        return this.addIssues(path, parsed.error.issues, keysOf(provider));
      }
      const { url: baseUrl, timeoutSeconds, ...rest } = parsed.data;
      const silenceMs = timeoutSeconds === undefined ? undefined : timeoutSeconds * SECOND_MS;
      this.file.providers.push({ name, baseUrl, silenceMs, ...rest });
    } catch (thrown) {
      if (!(thrown instanceof VariableFault)) throw thrown;
      this.file.faultyProviders.push(name);
      this.addFault(path, thrown.message);
    }
  }

  #readModel(index: number, entry: unknown): void {
    const parsed = model.safeParse(entry);
    if (parsed.success) {
      this.file.models.push(parsed.data);
      return;
    }
    if (isObject(entry) && typeof entry.name === "string") this.file.faultyModels.push(entry.name);
    this.addIssues(["models", index], parsed.error.issues, keysOf(model));
  }

  /** Reports a section of the wrong kind; its intended content is unknown, so the file counts as unreadable. */
  #misshapen(section: string, message: string): void {
    this.file.readable = false;
    this.addFault([section], message);
  }
}

function keysOf({ shape }: { shape: Readonly<Record<string, unknown>> }) {
  return {
    names: Object.keys(shape),
    allowed: (key?: string) =>
      ownEntry(ALLOWED, key ?? "") ?? "must be an object of the keys in docs/models.md",
  };
}
