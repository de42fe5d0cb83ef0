import type { Call } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { textOf } from "../base/json.ts";
import type { CatalogEntry } from "./entries.ts";
import type { NamedKind } from "./name_store.ts";
import { qualifiedName } from "./names.ts";
import { configuredName } from "./tool_names.ts";

/**
 * The tool `name`, if it is of a server that shows the caller another list for the time being and takes calls of it: a
 * window that has not listed its tools anew calls what it was shown before.
 */
export function withheldOf(
  { caller }: Call,
  name: string,
  { kind, servers }: { kind: NamedKind; servers(): readonly Server[] },
): CatalogEntry | undefined {
  if (kind !== "tools") return undefined;
  for (const server of servers()) {
    for (const own of server.withheld?.(caller) ?? []) {
      const configured = configuredName(textOf(own.name) ?? "", server);
      const isIt = name === configured || name === qualifiedName({ server: server.name, name: configured });
      if (isIt) return { server, name: configured, own };
    }
  }
  return undefined;
}
