import { ExaiError, UsageError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { switchedOffBy } from "../../config/servers.ts";
import type { DocumentEdit } from "../../documents/document.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import {
  changeServers,
  type NamedEntry,
  reloadDaemon,
  type ReloadOutcome,
  type ServerFile,
} from "./server_file.ts";

export const removeServers: Action = {
  summary: "Take servers out of mcp.json, in place",
  forms: [{ args: "NAME...", does: "takes servers out; calls that run on them finish" }],
  run: (invocation) => change(invocation, "removed", ({ path }) => [{ path, value: undefined }]),
};

export const enableServers: Action = {
  summary: "Switch servers on in mcp.json",
  forms: [{ args: "NAME...", does: "switches servers on that are switched off there" }],
  run: (invocation) => change(invocation, "enabled", enabling),
};

export const disableServers: Action = {
  summary: "Switch servers off in mcp.json; their entries stay",
  forms: [{ args: "NAME...", does: "switches servers off; calls that run on them finish" }],
  run: (invocation) => change(invocation, "disabled", disabling),
};

/** Keys by which clients switch a server off, with the value that does so. */
const OFF: ReadonlyMap<string, boolean> = new Map([
  ["disabled", true],
  ["enabled", false],
  ["isEnabled", false],
  ["isActive", false],
  ["active", false],
  ["disable", true],
  ["isDisabled", true],
]);

/** Takes every key out that switches the server off, and its name out of a list beside the servers that does so. */
function enabling(entry: NamedEntry, file: ServerFile): DocumentEdit[] {
  const value = objectOf(entry);
  const keys = [...OFF].filter(([key, off]) => value[key] === off)
    .map(([key]) => ({ path: [...entry.path, key], value: undefined }));
  return [...keys, ...unlisting(entry, file)];
}

/** What takes a server off the list that switches it off, as `mcp.excluded`, or puts it on the list of those that are on. */
function unlisting({ title }: NamedEntry, { value }: ServerFile): DocumentEdit[] {
  const list = switchedOffBy(value, title)?.split(".");
  if (list === undefined) return [];
  const names = list.reduce<unknown>((at, key) => isObject(at) ? at[key] : undefined, value);
  if (!Array.isArray(names)) return [];
  const at = names.indexOf(title);
  return [
    at < 0 ? { path: [...list, names.length], value: title } : { path: [...list, at], value: undefined },
  ];
}

/** Sets the key that the entry switches itself by, else EXAI's own. */
function disabling(entry: NamedEntry, file: ServerFile): DocumentEdit[] {
  const value = objectOf(entry);
  if (switchedOffBy(file.value, entry.title) !== undefined) return [];
  const switches = [...OFF];
  if (switches.some(([key, off]) => value[key] === off)) return [];
  const [key, off] = switches.find(([key]) => typeof value[key] === "boolean") ?? ["disabled", true];
  return [{ path: [...entry.path, key], value: off }];
}

function objectOf({ value, title }: NamedEntry): JsonObject {
  if (isObject(value)) return value;
  throw new ExaiError("CONFIG", `the entry of ${quoteName(title)} is no object, and cannot be switched`);
}

/**
 * Changes the entries that the command names, all or none.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` for a name that is not there; `CONFIG` when the file cannot be changed
 */
async function change(
  { args, settings, usage }: Invocation,
  done: "removed" | "enabled" | "disabled",
  editsFor: (entry: NamedEntry, file: ServerFile) => DocumentEdit[],
): Promise<CommandResult> {
  if (args.length === 0) throw new UsageError(`name at least one server; ${usage}`);
  const { path, changes } = await changeServers(settings, async (file) => {
    const entries = [...new Set(args)].map((name) => file.find(name));
    const changes = entries.map((entry) => ({ entry, edits: editsFor(entry, file) }));
    // From the end of an array on: taking an item out moves those behind it.
    const edits = changes.flatMap(({ edits }) => edits).toSorted((a, b) => lastIndex(b) - lastIndex(a));
    if (edits.length > 0) await file.replace(file.edited(edits));
    return { path: file.path, changes };
  });
  const changed = changes.filter(({ edits }) => edits.length > 0);
  const { isRunning, fault }: ReloadOutcome = changed.length > 0
    ? await reloadDaemon(settings)
    : { isRunning: false };
  const lines = changes.map(({ entry, edits }) =>
    edits.length > 0 ? `${done} ${entry.title} in ${path}` : `${entry.title} is ${done} already`
  );
  if (fault !== undefined) lines.push(`warning: ${fault}`);
  return {
    text: lines.join("\n"),
    json: { [done]: changed.map(({ entry }) => entry.title), path, daemon_runs: isRunning, warning: fault },
  };
}

function lastIndex({ path }: DocumentEdit): number {
  return path.findLast((part) => typeof part === "number") ?? -1;
}
