/** How other clients write the entry of a server; `adopt` reads their files by the same rules as `mcp.json` itself. */
export { convertEntry } from "./servers/shapes/convert_entry.ts";
export type { EntryDialect, EntryNote } from "./servers/shapes/entry_draft.ts";
