import type { Call } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { textOf } from "../base/json.ts";
import type { CatalogEntry } from "./entries.ts";
import type { NamedKind } from "./name_store.ts";
import { isQualifiedBy, qualifiedName } from "./names.ts";
import { configuredName } from "./tool_names.ts";

/**
 * The tool `name`, if it is of a server that shows the caller another list for the time being and takes calls of it: a
 * window that has not listed its tools anew calls what it was shown before. What is not remembered of the server is known
 * by its name, `server__name`. The tool that such a list holds is taken as well once it is not shown any more.
 */
export function withheldOf(
  { caller }: Call,
  name: string,
  { kind, servers }: { kind: NamedKind; servers(): readonly Server[] },
): CatalogEntry | undefined {
  if (kind !== "tools") return undefined;
  const shown = servers().find(({ standIn }) => standIn === name);
  if (shown) return { server: shown, name, own: { name } };
  const withholding = servers().flatMap((server) => {
    const tools = server.withheld?.(caller);
    return tools ? [{ server, tools }] : [];
  });
  for (const { server, tools } of withholding) {
    for (const own of tools) {
      const configured = configuredName(textOf(own.name) ?? "", server);
      const isIt = name === configured || name === qualifiedName({ server: server.name, name: configured });
      if (isIt) return { server, name: configured, own };
    }
  }
  // The longest: a name may begin with another and "__".
  const [server] = withholding.map(({ server }) => server).filter((one) => isQualifiedBy(one.name, name))
    .sort((a, b) => b.name.length - a.name.length);
  return server && { server, name, own: { name: ownNameOf(name, server) } };
}

/** The own name of the tool that the configuration has `name` for, or `server__name`. */
function ownNameOf(name: string, { name: server, toolNaming }: Server): string {
  const { prefix = "", rename = {} } = toolNaming ?? {};
  const plain = name.slice(qualifiedName({ server, name: "" }).length);
  for (const configured of [name, plain]) {
    const [renamed] = Object.entries(rename).find(([, wish]) => wish === configured) ?? [];
    if (renamed !== undefined) return renamed;
    if (prefix !== "" && configured.startsWith(prefix)) return configured.slice(prefix.length);
  }
  return plain;
}
