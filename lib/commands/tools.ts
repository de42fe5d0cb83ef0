import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { visible, visibleLines } from "../base/visible.ts";
import type { CatalogTool } from "../admin/server_routes.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { formatTable, MAX_SHOWN_CHARS } from "./table.ts";
import { parametersOf } from "./tool_arguments.ts";
import { openSession, readCatalog, type ToolCatalog } from "./tool_catalog.ts";

export const toolsCommand: Action = {
  summary: "List the tools that a window in this directory is offered, or show one in full",
  forms: [
    { args: "", does: "every tool with its server, and the servers that have none to offer and why" },
    { args: "[SERVER]", does: "the tools of one server" },
    { args: "[TOOL]", does: "one tool in full, with its arguments" },
  ],
  run: tools,
};

/** @throws {ExaiError} `RESOURCE_NOT_FOUND` for a name that is neither a server's nor a tool's */
async function tools(invocation: Invocation): Promise<CommandResult> {
  const { args: [name] } = invocation;
  using session = await openSession(invocation);
  const isEnough = (tools: readonly CatalogTool[]) =>
    tools.some((tool) => tool.server === name || isNamed(tool, name));
  const whole = await readCatalog(invocation, session, { isEnough, server: name });
  const catalog = { ...whole, tools: whole.tools.filter((tool) => !tool.is_hidden) };
  if (name === undefined) return { text: listOf(catalog), json: jsonOf(catalog) };
  const ofServer = catalog.tools.filter(({ server }) => server === name);
  const missing = [...catalog.missing, ...catalog.off].filter(({ server }) => server === name);
  if (ofServer.length > 0 || missing.length > 0) {
    const its = { tools: ofServer, missing, off: [] };
    return { text: listOf(its), json: jsonOf(its), code: ofServer.length > 0 ? 0 : 1 };
  }
  const tool = findTool(name, whole);
  return { text: describeTool(tool), json: toolJson(tool) };
}

/** Whether `name` is the name of `tool` in the catalog, `server/tool`, `server__tool` or `server.tool`. */
export function isNamed(tool: CatalogTool, name: string | undefined): boolean {
  const own = textOf(tool.definition.name);
  return tool.name === name || ["/", "__", "."].some((sign) => name === `${tool.server}${sign}${own}`);
}

/**
 * The tool that {@linkcode isNamed} `name`; the one of that name in the catalog goes before others.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` with the nearest name; `TOOL_NOT_FOUND` for one that is hidden
 */
export function findTool(name: string, { tools, missing, off }: ToolCatalog): CatalogTool {
  const found = tools.find((tool) => tool.name === name) ?? tools.find((tool) => isNamed(tool, name));
  if (found?.is_hidden) {
    const why = `${found.name} is hidden from this command by clients in mcp.json`;
    throw new ExaiError("TOOL_NOT_FOUND", `${why}; change include or exclude there to use it`);
  }
  if (found) return found;
  const names = tools.map(({ name }) => name);
  const ofServer = [...missing, ...off].find(({ server }) =>
    ["/", "__", "."].some((sign) => name.startsWith(server + sign))
  );
  if (ofServer) throw new ExaiError("UPSTREAM_UNAVAILABLE", ofServer.why);
  const away = missing.length === 0
    ? ""
    : ` and why there are none of ${missing.map(({ server }) => visible(server)).join(", ")}`;
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `no tool or server is called ${quoteName(name)}${
      didYouMean(name, names)
    }; exai-daemon tools lists them${away}`,
  );
}

function listOf({ tools, missing }: ToolCatalog): string {
  const rows = tools.map(({ name, server, definition }) => [
    name,
    server,
    firstLine(textOf(definition.description) ?? ""),
  ]);
  const notes = missing.map(({ server, why }) => `no tools of ${visible(server)}: ${why}`);
  const table = rows.length === 0
    ? "no tool is offered"
    : formatTable(["TOOL", "SERVER", "WHAT IT DOES"], rows);
  return [table, ...notes].join("\n\n");
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]!.trim();
}

function jsonOf({ tools, missing }: ToolCatalog): JsonObject {
  return { tools: tools.map(toolJson), missing: missing.map((one) => ({ ...one })) };
}

function toolJson({ name, server, definition }: CatalogTool): JsonObject {
  return { ...definition, name, server };
}

function describeTool({ name, server, definition }: CatalogTool): string {
  const parameters = parametersOf(isObject(definition.inputSchema) ? definition.inputSchema : {});
  const rows = parameters.map(({ name, type, isRequired, description }) => [
    name,
    type,
    isRequired ? "required" : "",
    firstLine(description),
  ]);
  const call = parameters.filter(({ isRequired }) => isRequired).map(({ name }) => ` ${name}=...`).join("");
  return [
    `${visible(name)} of the server ${visible(server)}`,
    visibleLines(textOf(definition.description) ?? "").trim(),
    rows.length === 0 ? "It takes no arguments." : formatTable(["ARGUMENT", "TYPE", "", "WHAT IT IS"], rows),
    visible(`exai-daemon call ${name}${call}`, MAX_SHOWN_CHARS),
  ].filter((part) => part !== "").join("\n\n");
}
