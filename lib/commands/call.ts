import { messageOf, UsageError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { formatBytes } from "../base/units.ts";
import { visible, visibleJson } from "../base/visible.ts";
import type { CatalogTool } from "../admin/server_routes.ts";
import type { DaemonSession } from "../client/daemon_session.ts";
import { readRegularFile } from "../config/regular_file.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { MAX_SHOWN_CHARS } from "./table.ts";
import { missingArguments, parametersOf, parseArguments } from "./tool_arguments.ts";
import { openSession, readCatalog } from "./tool_catalog.ts";
import { findTool, isNamed } from "./tools.ts";

export const callCommand: Action = {
  summary: "Call a tool, as a window in this directory would, and print its result",
  forms: [
    {
      args: "NAME [KEY=VALUE...]",
      does:
        "calls a tool; its schema says whether a value is a text, a number or a list, `KEY:=JSON` is JSON",
    },
  ],
  flags: [
    {
      name: "args",
      value: "JSON|@FILE|-",
      help: "The arguments as one JSON object, from a file or from standard input; KEY=VALUE go before them",
    },
  ],
  exits: { 0: "the tool has done it", 1: "it could not be called, or says that it has failed" },
  run: call,
};

/**
 * Exits with 1 when the tool says that it has failed.
 *
 * @throws {UsageError} for arguments that make no sense
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` for an unknown tool; what the call was answered with
 */
async function call(invocation: Invocation): Promise<CommandResult> {
  const { args: [name, ...words], options, usage, progress } = invocation;
  if (name === undefined) throw new UsageError(`call needs the name of a tool; ${usage}`);
  const given = await givenArguments(options.get("args")?.at(-1));
  using session = await openSession(invocation);
  const isEnough = (tools: readonly CatalogTool[]) => tools.some((tool) => isNamed(tool, name));
  const tool = findTool(name, await readCatalog(invocation, session, { isEnough }));
  const schema = isObject(tool.definition.inputSchema) ? tool.definition.inputSchema : {};
  const args = { ...given, ...parseArguments(words, schema) };
  // An object that was given as a whole is sent as it is, also where the tool's own schema is wrong.
  if (given === undefined) checkComplete(tool.name, args, schema);
  progress.step(`waiting for ${tool.name} of ${tool.server}`);
  const result = await callTool(session, { params: { name: tool.name, arguments: args }, progress });
  return { text: textOfResult(result), json: result, code: result.isError === true ? 1 : 0 };
}

/** Calls the tool; Ctrl+C cancels the call rather than leave it running. */
async function callTool(
  session: DaemonSession,
  { params, progress }: { params: JsonObject; progress: Invocation["progress"] },
): Promise<JsonObject> {
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  Deno.addSignalListener("SIGINT", stop);
  try {
    return await session.request("tools/call", params, {
      signal: stopped.signal,
      onProgress: (report) => progress.step(describeProgress(String(params.name), report)),
    });
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

function describeProgress(name: string, { progress, total, message }: JsonObject): string {
  const done = typeof progress !== "number"
    ? []
    : [typeof total === "number" ? `${progress} of ${total}` : `${progress}`];
  return [`${name}:`, ...done, textOf(message) ?? ""].join(" ").trimEnd();
}

function checkComplete(name: string, args: JsonObject, schema: JsonObject): void {
  const missing = missingArguments(args, schema);
  if (missing.length === 0) return;
  const described = parametersOf(schema).filter((parameter) => missing.includes(parameter.name))
    .map(({ name, type, description }) => `${name} (${type}${description === "" ? "" : `: ${description}`})`);
  throw new UsageError(
    `${name} also needs ${
      described.length > 0 ? described.join(", ") : missing.join(", ")
    }; write key=value for each`,
  );
}

/** The arguments given as a whole; undefined: none are. */
async function givenArguments(value: string | undefined): Promise<JsonObject | undefined> {
  if (value === undefined) return undefined;
  const text = await readArguments(value);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw new UsageError(`--args takes a JSON object, and this is no JSON: ${messageOf(thrown)}`);
  }
  if (isObject(parsed)) return parsed;
  throw new UsageError('--args takes a JSON object of arguments by name, as {"path": "."}');
}

async function readArguments(value: string): Promise<string> {
  if (value === "-") return await new Response(Deno.stdin.readable).text();
  if (!value.startsWith("@")) return value;
  const path = value.slice(1);
  try {
    return await readRegularFile(path);
  } catch (thrown) {
    throw new UsageError(`--args names the file ${quoteName(path)}: ${messageOf(thrown)}`);
  }
}

/** What a person reads of a result: its texts; what is none is named. */
function textOfResult({ content, structuredContent }: JsonObject): string {
  const blocks = Array.isArray(content) ? content.filter(isObject) : [];
  const texts = blocks.map(describeBlock).filter((text) => text !== "");
  if (texts.length > 0) return texts.join("\n");
  return structuredContent === undefined ? "(the result is empty)" : visibleJson(structuredContent, 2);
}

function describeBlock(block: JsonObject): string {
  switch (block.type) {
    case "text":
      return textOf(block.text) ?? "";
    case "image":
    case "audio":
      return visible(
        `(${block.type}, ${textOf(block.mimeType)}, ${sizeOf(block.data)}; --json has it as base64)`,
        MAX_SHOWN_CHARS,
      );
    case "resource_link":
      return visible(`(resource ${textOf(block.uri)})`, MAX_SHOWN_CHARS);
    case "resource": {
      const resource = isObject(block.resource) ? block.resource : {};
      return textOf(resource.text) ?? visible(`(resource ${textOf(resource.uri)})`, MAX_SHOWN_CHARS);
    }
  }
  return visibleJson(block);
}

/** The size of what a text in base64 stands for. */
function sizeOf(data: Json | undefined): string {
  return formatBytes(Math.floor((textOf(data)?.length ?? 0) * 3 / 4));
}
