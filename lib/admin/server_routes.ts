import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Caller } from "../call/call.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";
import type { Route } from "../edge/http_handler.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { checkServer } from "../upstream/server_check.ts";
import { COMMAND_CLIENT } from "../wire/ops.ts";
import type { SessionAccess } from "./call_control.ts";
import { allowMethod } from "./route_guards.ts";

/** The tools of the merged catalog for one session. */
interface CatalogTools {
  entries: ReadonlyMap<string, { server: { name: string }; own: JsonObject }>;
  /** Whether `clients` in `mcp.json` hides a tool from the client. */
  isHidden(name: string): boolean;
  missing: readonly { server: { name: string }; why: string; coming?: Promise<unknown> }[];
}

/** A tool of the merged catalog, as `GET /tools` gives it. */
export interface CatalogTool extends JsonObject {
  /** The name clients call it by. */
  name: string;
  server: string;
  /** As its server defines it, under the server's own name. */
  definition: JsonObject;
  /** `clients` in `mcp.json` hides it from the client: a call is refused. */
  is_hidden?: true;
}

/** The answer of `GET /tools`. */
export interface CatalogAnswer extends JsonObject {
  tools: CatalogTool[];
  /** Servers whose tools are not in the list, and why; `is_coming`: they may be soon. */
  missing: { server: string; why: string; is_coming: boolean }[];
}

/** What the routes need of servers and tools. */
export interface ServerRouteSources {
  sessions: SessionAccess;
  servers(): readonly MountedServer[];
  /** What is wrong with the entry of a server, or that it is switched off; undefined: nothing. */
  troubleOf(name: string): ServerTrouble | undefined;
  /** Names of entries that no server was made of. */
  unmounted(): readonly string[];
  /** Every tool for a session. */
  toolsFor(caller: Caller): Promise<CatalogTools>;
}

/** The names of all entries, whether a server was made of them or not. */
export function serverNames(
  { servers, unmounted }: Pick<ServerRouteSources, "servers" | "unmounted">,
): string[] {
  return [...servers().map(({ name }) => name), ...unmounted()];
}

/** The routes about servers and their tools, each on behalf of the session that the command has opened. */
export function serverRoutes(sources: ServerRouteSources): [string, Route][] {
  return [
    ["/tools", allowMethod("GET", async (request) => Response.json(await listTools(request, sources)))],
    ["/servers/check", allowMethod("POST", async (request) => Response.json(await check(request, sources)))],
  ];
}

async function listTools(
  request: Request,
  { sessions, toolsFor }: ServerRouteSources,
): Promise<CatalogAnswer> {
  const { entries, missing, isHidden } = await toolsFor(sessionIn(request, sessions));
  return {
    tools: Array.from(entries, ([name, { server, own }]) => ({
      name,
      server: server.name,
      definition: own,
      ...(isHidden(name) ? { is_hidden: true } : {}),
    })),
    missing: missing.map(({ server, why, coming }) => ({
      server: server.name,
      why,
      is_coming: coming !== undefined,
    })),
  };
}

/** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with cause and remedy when the server does not answer */
async function check(request: Request, sources: ServerRouteSources): Promise<JsonObject> {
  const name = new URL(request.url).searchParams.get("name") ?? "";
  const caller = sessionIn(request, sources.sessions);
  if (caller.client?.name !== COMMAND_CLIENT) {
    // It is taken off the server afterwards, which a window would not survive.
    throw new ExaiError("INVALID_PARAMS", "session must be one that a command has opened, and no window's");
  }
  const trouble = sources.troubleOf(name);
  if (trouble) throw new ExaiError("UPSTREAM_UNAVAILABLE", describeTrouble(trouble));
  const server = sources.servers().find((server) => server.name === name);
  if (server) return await checkServer(server, caller);
  const names = serverNames(sources);
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `mcp.json has no server ${quoteName(name)}${
      didYouMean(name, names)
    }; exai-daemon servers list shows them`,
  );
}

function sessionIn(request: Request, sessions: SessionAccess): Caller {
  const session = sessions.get(new URL(request.url).searchParams.get("session") ?? "");
  if (session) return session;
  throw new ExaiError("INVALID_PARAMS", "session must be the id of an open session: ?session=ID");
}
