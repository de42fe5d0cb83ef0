import type { ClientToolsConfig } from "../config/server_config.ts";
import { textOf } from "../base/json.ts";
import { anyOf, type Matcher } from "../base/patterns.ts";
import type { CatalogEntry } from "./entries.ts";

/** Which tools of the merged catalog some clients see. */
export interface ToolSet {
  /** What it is made of. */
  readonly config: ClientToolsConfig;
  /** Whether they see the tool the merged catalog has as `name`. */
  shows(name: string, entry: CatalogEntry): boolean;
}

/** The tool set of a client by the client's own name; undefined: it sees everything. */
export type ToolSets = (clientName: string | undefined) => ToolSet | undefined;

/** Reads `configs` in their order: the first that fits a client counts, whatever the case of its letters. */
export function toolSetsOf(configs: readonly ClientToolsConfig[]): ToolSets {
  const sets = configs.map((config) => ({
    fits: anyOf([config.client], { ignoreCase: true }),
    set: toSet(config),
  }));
  return (clientName = "") => sets.find(({ fits }) => fits.test(clientName))?.set;
}

function toSet(config: ClientToolsConfig): ToolSet {
  const { include, exclude } = config;
  const included = include && anyOf(include);
  const excluded = anyOf(exclude);
  return {
    config,
    shows(name, { server, own }) {
      const names = [name, `${server.name}/${textOf(own.name) ?? ""}`];
      const any = (patterns: Matcher) => names.some((one) => patterns.test(one));
      return (included === undefined || any(included)) && !any(excluded);
    },
  };
}
