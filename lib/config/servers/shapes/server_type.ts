import { ownEntry, textOf } from "../../../base/json.ts";
import { quoteName } from "../../../base/text.ts";
import type { EntryDraft } from "./entry_draft.ts";

/** The values of `type`, without case and punctuation, and ours; `any`: the URL says it. */
const TYPES: Readonly<Record<string, "stdio" | "http" | "sse" | "any">> = {
  stdio: "stdio",
  local: "stdio",
  command: "stdio",
  process: "stdio",
  http: "http",
  https: "http",
  streamable: "http",
  streamablehttp: "http",
  streaminghttp: "http",
  httpstream: "http",
  httpstreaming: "http",
  httpstreamable: "http",
  sse: "sse",
  httpsse: "sse",
  remote: "any",
  url: "any",
};

/** Addresses of what is no MCP server. */
const DATABASE =
  /^(mysql|mariadb|postgres(?:ql)?|redis|mongodb(?:\+srv)?|sqlite|mssql|amqp|kafka|nats|mqtt)$/i;

/** Converts the spellings of `type`; what is reached by an address of another kind is named. */
export function convertType(draft: EntryDraft): void {
  const url = textOf(draft.entry.url);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url ?? "")?.[1];
  const type = textOf(draft.entry.type);
  const database = [scheme, type].find((name) => name !== undefined && DATABASE.test(name));
  if (database !== undefined && draft.entry.command === undefined) {
    const message = `is the address of ${quoteName(database.toLowerCase())}, which is no MCP server; ` +
      "mount an MCP server for it, and give that the address";
    draft.note("fault", [url === undefined ? "type" : "url"], message);
    return;
  }
  if (type === undefined) return;
  const ours = ownEntry(TYPES, fold(type));
  if (ours === "any") draft.take("type");
  else if (ours !== undefined && ours !== type) draft.put("type", ours, ["type"]);
}

/** Whether `value` is one of the spellings of a type. */
export function isType(value: unknown): value is string {
  return typeof value === "string" && ownEntry(TYPES, fold(value)) !== undefined;
}

/** Which kind of server `type` names; undefined: none, or any behind a URL. */
export function kindOfType(type: unknown): "stdio" | "http" | "sse" | undefined {
  const kind = typeof type === "string" ? ownEntry(TYPES, fold(type)) : undefined;
  return kind === "any" ? "http" : kind;
}

function fold(type: string): string {
  return type.toLowerCase().replace(/[^a-z]/g, "");
}
