/** Whether a window sees all tools, or a few and the two that find and call the others; `auto`: when there are many. */
export const SEARCH_MODES = ["off", "auto", "on"] as const;

export type SearchMode = (typeof SEARCH_MODES)[number];

/** Which tools some clients see: an entry of `clients` in `mcp.json`. */
export interface ClientToolsConfig {
  /** The client's own name; `*` stands for any characters. */
  client: string;
  /** The tools it sees, by their name in the merged catalog or as `server/tool`; undefined: all. */
  include: readonly string[] | undefined;
  /** Of those, the ones it does not. */
  exclude: readonly string[];
  /** Undefined: as the daemon is set. */
  search: SearchMode | undefined;
}
