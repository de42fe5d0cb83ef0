import { ExaiError } from "../base/errors.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";

/** The servers that a path may name. */
export interface NamedServers {
  /** Names of the servers available under `/mcp/NAME`. */
  serverNames(): readonly string[];
  /** Why the configured server `name` is not among them. */
  whyNoServer(name: string): ServerTrouble | undefined;
}

/** The paths of MCP: the merged catalog, and single servers below it. */
export const MCP_PATH = /^\/mcp(?:\/([^/]*))?\/?$/;

/**
 * The server that a path names; undefined for the merged catalog.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` with the names of all servers
 */
export function findServer(
  name: string | undefined,
  servers: NamedServers,
): string | undefined {
  if (!name) return undefined;
  const names = servers.serverNames();
  if (names.includes(name)) return name;
  const trouble = servers.whyNoServer(name);
  if (trouble) {
    throw new ExaiError("UPSTREAM_UNAVAILABLE", describeTrouble(trouble), { details: { server: name } });
  }
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no server ${JSON.stringify(name)}; there are: ${names.join(", ")}`,
  );
}
