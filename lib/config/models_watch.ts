import { type ConfigWatch, watchConfig } from "./config_watch.ts";
import { goneFault } from "./entry_file.ts";
import type { FileWatchOptions } from "./file_watch.ts";
import { type CustomProvider, type ModelOverride, type ModelsFile, readModels } from "./models_file.ts";
import type { ConfigFault } from "./config_fault.ts";
import type { SecretReader } from "./secrets.ts";

/** The content of `models.json` in force, and the faults in the file. */
export interface ModelsInForce {
  providers: readonly CustomProvider[];
  models: readonly ModelOverride[];
  faults: readonly ConfigFault[];
}

export type ModelsWatch = ConfigWatch<ModelsInForce>;

interface ModelsWatchOptions extends FileWatchOptions {
  /** Values of the variables in the file. */
  env: Record<string, string | undefined>;
  /** Gives the secrets in it. */
  secrets?: SecretReader;
}

/**
 * Reads the file at `path` and again whenever it changes; `onChange` is called after each later reading that differs from
 * the one before. A faulty entry keeps its last good content, and so does the whole file when it cannot be read or is
 * gone.
 */
export function watchModels(
  path: string,
  onChange: (inForce: ModelsInForce) => void,
  options: ModelsWatchOptions,
): Promise<ModelsWatch> {
  return watchConfig<ModelsInForce>(path, {
    ...options,
    initial: { providers: [], models: [], faults: [] },
    read: async (path, before) => keepGood(before, await readAfter(path, before, options)),
    onChange,
  });
}

async function readAfter(
  path: string,
  { providers, models }: ModelsInForce,
  { env, secrets }: ModelsWatchOptions,
): Promise<ModelsFile> {
  const file = await readModels(path, env, secrets);
  if (!file.isBlank || providers.length + models.length === 0) return file;
  return { ...file, readable: false, faults: [goneFault(path)] };
}

/** The content of `file`; for what has a fault in it, what was in force `before`. */
function keepGood(before: ModelsInForce, file: ModelsFile): ModelsInForce {
  const { faults, readable, faultyProviders, faultyModels } = file;
  const stays = (faulty: readonly string[], good: readonly Named[]) => (one: Named) =>
    (!readable || faulty.includes(one.name)) &&
    !good.some(({ name, provider }) => name === one.name && provider === one.provider);
  return {
    providers: [...file.providers, ...before.providers.filter(stays(faultyProviders, file.providers))],
    models: [...file.models, ...before.models.filter(stays(faultyModels, file.models))],
    faults,
  };
}

interface Named {
  name: string;
  provider?: string;
}
