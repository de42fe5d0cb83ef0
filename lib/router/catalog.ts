import { getLogger } from "@logtape/logtape";
import { abortError } from "../base/abort.ts";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type Call, derive } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { publicNames } from "./names.ts";

const log = getLogger(["exai", "router"]);

/** One list of MCP: how to ask for it and where its entries stand in the result. */
export interface ListKind {
  method: string;
  field: string;
}

export const LISTS = {
  tools: { method: "tools/list", field: "tools" },
  prompts: { method: "prompts/list", field: "prompts" },
  resources: { method: "resources/list", field: "resources" },
  templates: { method: "resources/templates/list", field: "resourceTemplates" },
} as const satisfies Record<string, ListKind>;

/** One entry of a merged list and the server it leads to. */
export interface Entry {
  server: Server;
  /** As the server itself describes it. */
  own: JsonObject;
}

/** A list without end is cut here: no real server has a thousand pages. */
const MAX_PAGES = 1000;

/**
 * The entries of `kind` that `servers` offer to the caller of `call`, in the order of the servers. A server that fails
 * or has not answered by `deadlineMs` is left out and logged: it never delays or fails the others.
 */
export async function gather(
  call: Call,
  kind: ListKind,
  options: { servers: readonly Server[]; deadlineMs: number },
): Promise<Entry[]> {
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(options.deadlineMs)]);
  const lists = await Promise.all(options.servers.map(async (server) => {
    try {
      return await listAll(server, kind, derive(call, { signal, progressToken: undefined }));
    } catch (thrown) {
      if (call.signal.aborted) throw abortError(call.signal);
      log.warning("{server} did not answer {method}: {message}", {
        server: server.name,
        method: kind.method,
        message: messageOf(thrown),
      });
      return [];
    }
  }));
  return lists.flat();
}

/** `entries` by the names the merged catalog shows for them. */
export function nameEntries(entries: readonly Entry[]): Map<string, Entry> {
  const offers = entries.map(({ server, own }) => ({ server: server.name, name: String(own.name) }));
  const names = publicNames(offers);
  return new Map(entries.map((entry, i) => [names[i]!, entry]));
}

async function listAll(server: Server, kind: ListKind, call: Call): Promise<Entry[]> {
  const entries: Entry[] = [];
  let params: JsonObject = {};
  for (let page = 0; page < MAX_PAGES; page++) {
    const { result, error } = await server.target(derive(call, { method: kind.method, params }));
    if (error) throw new Error(error.message);
    for (const own of (result[kind.field] ?? []) as JsonObject[]) entries.push({ server, own });
    if (typeof result.nextCursor !== "string") return entries;
    params = { cursor: result.nextCursor };
  }
  return entries;
}
