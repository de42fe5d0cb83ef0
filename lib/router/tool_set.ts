import type { ClientToolsConfig } from "../config/server_config.ts";
import { anyOf, type Matcher } from "../base/patterns.ts";
import type { CatalogEntry } from "./entries.ts";

/** The tools of the merged catalog that some clients see. */
export interface ToolSet {
  /** Its configuration. */
  readonly config: ClientToolsConfig;
  /** Whether they see the tool with the public name `name`. */
  shows(name: string, entry: CatalogEntry): boolean;
}

/** Finds the tool set of a client by the client's name; undefined: it sees all tools. */
export type ToolSets = (clientName: string | undefined) => ToolSet | undefined;

/** The first of `configs` that matches the name of a client applies, ignoring case. */
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
    shows(name, { server, name: configured }) {
      const names = [name, `${server.name}/${configured}`];
      const any = (patterns: Matcher) => names.some((one) => patterns.test(one));
      return (included === undefined || any(included)) && !any(excluded);
    },
  };
}
