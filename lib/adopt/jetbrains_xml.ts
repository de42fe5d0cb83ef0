import type { Json, JsonObject } from "../base/json.ts";
import type { ReadDocument } from "../documents/document.ts";
import type { ClientEntry } from "./find.ts";

const COMPONENT =
  /<component\s+name="Mcp(?:Application|Project)ServerCommands"[^>]*>([\s\S]*?)<\/component>/g;
/** An element that holds options, and no other such element. */
const ENTRY =
  /<(\w+)(?:\s[^>]*)?>((?:(?!<\/\1>)[\s\S])*?<option\s+name="name"\s+value="[^"]*"[\s\S]*?)<\/\1>/g;
const OPTION = /<option\s+name="(\w+)"\s+value="([^"]*)"/g;
const VARIABLE = /<(?:env|entry|header)\s+(?:name|key)="([^"]*)"\s+value="([^"]*)"/g;

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * The servers in a file of options of an IDE of JetBrains. The file is never written: the IDE does that when it ends, with
 * what it has in memory.
 */
export function readJetbrainsXml(text: string): { document: ReadDocument; entries: ClientEntry[] } {
  const servers: Record<string, Json> = {};
  for (const [, component = ""] of text.matchAll(COMPONENT)) {
    const inner = component.replace(/<\/?(?:commands|urls)>/g, "");
    for (const [, , body = ""] of inner.matchAll(ENTRY)) {
      const { name, entry } = entryOf(body);
      if (name !== undefined && entry !== undefined) servers[name] = entry;
    }
  }
  const entries = Object.entries(servers).map(([name, value]): ClientEntry => ({
    name,
    path: ["mcpServers", name],
    value,
    project: undefined,
  }));
  return {
    document: {
      value: { mcpServers: servers },
      positionOf: () => ({ line: 1, column: 1 }),
      repeatedKeys: () => [],
    },
    entries,
  };
}

function entryOf(body: string): { name: string | undefined; entry: JsonObject | undefined } {
  const options: Record<string, string> = {};
  for (const [, key = "", value = ""] of body.matchAll(OPTION)) options[key] ??= decode(value);
  const pairs = Array.from(
    body.matchAll(VARIABLE),
    ([, key = "", value = ""]) => [decode(key), decode(value)],
  );
  const { name, programPath, command = programPath, arguments: args, url, enabled, workingDirectory } =
    options;
  const isOff = enabled === "false" ? { disabled: true } : {};
  const table = pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
  if (url) return { name, entry: { url, ...(table ? { headers: table } : {}), ...isOff } };
  if (!command) return { name, entry: undefined };
  const entry = { command, args: split(args ?? ""), ...(table ? { env: table } : {}), ...isOff };
  return { name, entry: workingDirectory ? { ...entry, cwd: workingDirectory } : entry };
}

/** The IDE has all arguments in one line, those with spaces in quotes. */
function split(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? "");
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    return ENTITIES[name] ?? whole;
  });
}
