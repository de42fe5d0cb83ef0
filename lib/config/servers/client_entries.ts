import * as z from "zod/mini";
import type { ClientToolsConfig } from "../server_config.ts";
import { SEARCH_MODES } from "../settings.ts";
import { isObject, type Json } from "../../base/json.ts";
import { closeMatches } from "../../base/suggest.ts";
import type { JsonDocument } from "../json_document.ts";
import { type ConfigFault, formatKey } from "../config_fault.ts";

const PATTERNS = "an array of tool names or server/tool; * stands for any characters";

interface ClientKey {
  schema: z.ZodMiniType;
  allowed: string;
  help: string;
}

const patterns = z.array(z.string().check(z.minLength(1)));

/** The keys of one entry of `clients`. */
export const CLIENT_KEYS = {
  include: { schema: patterns, allowed: PATTERNS, help: "Show these clients only these tools" },
  exclude: { schema: patterns, allowed: PATTERNS, help: "Do not show them these tools" },
  search: {
    schema: z.enum(SEARCH_MODES),
    allowed: SEARCH_MODES.join(", "),
    help:
      "Show them a few tools and find_tool and call_tool for the others (`EXAI_TOOL_SEARCH` for these clients)",
  },
} as const satisfies Record<string, ClientKey>;

/** The section `clients`, for the JSON Schema of the file. */
export const clientsSchema = z.record(
  z.string().check(z.minLength(1)),
  z.strictObject({
    include: z.optional(patterns.check(z.describe(CLIENT_KEYS.include.help))),
    exclude: z.optional(patterns.check(z.describe(CLIENT_KEYS.exclude.help))),
    search: z.optional(CLIENT_KEYS.search.schema.check(z.describe(CLIENT_KEYS.search.help))),
  }),
);

/** The section `clients` of a file, in its order: the first entry that matches a client counts. */
export function readClients(
  document: JsonDocument,
  path: string,
): { clients: ClientToolsConfig[]; faults: ConfigFault[] } {
  const section = document.value.clients;
  const faults: ConfigFault[] = [];
  const fault = (keys: string[], message: string) => {
    const key = formatKey(["clients", ...keys]);
    faults.push({ path, ...document.positionOf(["clients", ...keys]), key, message });
  };
  if (section === undefined) return { clients: [], faults };
  if (!isObject(section)) {
    fault([], 'must be an object of clients by name: {"cursor*": {"include": ["chat", "files/*"]}}');
    return { clients: [], faults };
  }
  const clients = Object.entries(section).map(([client, value]) => {
    return readClient(client, value, (keys, message) => fault([client, ...keys], message));
  });
  return { clients, faults };
}

function readClient(
  client: string,
  value: Json | undefined,
  fault: (keys: string[], message: string) => void,
): ClientToolsConfig {
  if (client === "") fault([], "needs a name; * stands for any client");
  if (!isObject(value)) fault([], `must be an object with ${Object.keys(CLIENT_KEYS).join(", ")}`);
  const entry = isObject(value) ? value : {};
  for (const key of Object.keys(entry)) {
    const known = Object.hasOwn(CLIENT_KEYS, key) ? CLIENT_KEYS[key as keyof typeof CLIENT_KEYS] : undefined;
    if (known === undefined) {
      const [meant] = closeMatches(key, Object.keys(CLIENT_KEYS));
      const allowed = meant ?? Object.keys(CLIENT_KEYS).join(", ");
      fault([key], `is no key of a client; ${meant === undefined ? "allowed" : "write"}: ${allowed}`);
    } else if (!known.schema.safeParse(entry[key]).success) {
      fault([key], `is ${JSON.stringify(entry[key])}; allowed: ${known.allowed}`);
    }
  }
  const { include, exclude = [], search } = entry as Partial<ClientToolsConfig>;
  return { client, include, exclude, search };
}
