import { isObject, type JsonObject } from "../../base/json.ts";

/** Tools looked at in one list. */
const MAX_TOOLS = 500;

/** Verbs that begin and end something that is kept between calls. */
const PAIRS = [
  ["open", "close"],
  ["connect", "disconnect"],
  ["start", "stop"],
  ["attach", "detach"],
  ["launch", "close"],
  ["login", "logout"],
] as const;

/** Words of the names of tools that work on a state of one user. */
const STATE_WORDS = new Set(
  "session sessions navigate tab tabs click breakpoint repl terminal activate switch thinking".split(" "),
);

/** Words of the names of tools that may change what the next call does, for whoever calls next. */
const CHANGE_WORDS = new Set(
  "set use select choose reset undo redo remember recall forget begin rollback current active pause resume increment"
    .split(" "),
);

/** Parameters that say in which directory a tool works. */
const DIRECTORY_PARAMETER =
  /^(cwd|work(ing)?_?dir(ectory)?|(project|workspace|repo(sitory)?)_?(root|dir|directory|path|folder)|workspace|root_?(dir|path)?)$/i;

/** What in a list of tools hints at a state of one user; undefined: nothing does. */
export function userStateHint(tools: readonly JsonObject[]): string | undefined {
  const names = tools.slice(0, MAX_TOOLS).filter((tool) => !isReadOnly(tool)).map(nameOf);
  const words = new Map(names.flatMap((name) => wordsOf(name).map((word) => [word, name])));
  for (const [begin, end] of PAIRS) {
    if (words.has(begin) && words.has(end)) {
      return `its tools ${words.get(begin)} and ${words.get(end)} keep something open`;
    }
  }
  const telling = words.keys().find((word) => STATE_WORDS.has(word));
  return telling && `its tool ${words.get(telling)} works on a state of one user`;
}

/** What in a list of tools hints at something that one call leaves to the next; undefined: nothing does. */
export function changeHint(tools: readonly JsonObject[]): string | undefined {
  const changing = tools.slice(0, MAX_TOOLS).filter((tool) => !isReadOnly(tool)).map(nameOf)
    .find((name) => wordsOf(name).some((word) => CHANGE_WORDS.has(word)));
  return changing && `its tool ${changing} may change what the next call does`;
}

/** What in a list of tools hints at a directory they work in; undefined: nothing does. */
export function directoryHint(tools: readonly JsonObject[]): string | undefined {
  for (const tool of tools.slice(0, MAX_TOOLS)) {
    const parameter = parametersOf(tool).find((name) => DIRECTORY_PARAMETER.test(name));
    if (parameter !== undefined) return `its tool ${nameOf(tool)} takes ${parameter}`;
  }
  return undefined;
}

/** Whether each of the tools says that it only reads. */
export function areAllReadOnly(tools: readonly JsonObject[]): boolean {
  return tools.length > 0 && tools.every(isReadOnly);
}

function isReadOnly({ annotations }: JsonObject): boolean {
  return isObject(annotations) && annotations.readOnlyHint === true;
}

function nameOf({ name }: JsonObject): string {
  return String(name).slice(0, 100);
}

function parametersOf({ inputSchema }: JsonObject): string[] {
  const properties = isObject(inputSchema) ? inputSchema.properties : undefined;
  return isObject(properties) ? Object.keys(properties) : [];
}

function wordsOf(name: string): string[] {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/);
}
