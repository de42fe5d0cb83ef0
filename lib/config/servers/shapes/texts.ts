import { isObject, type Json } from "../../../base/json.ts";
import { isForShell } from "../../shell_line.ts";
import type { EntryDraft, EntryPath } from "./entry_draft.ts";

/** The keys of an entry whose texts hold variables. */
const KEYS = ["command", "args", "env", "headers", "url", "cwd", "envFile", "oauth", "headersHelper"];

/** Variables as other programs write them, and how EXAI does. */
const SPELLINGS: readonly [form: RegExp, ours: string][] = [
  // Continue: ${{ secrets.NAME }}, and of an input: ${{ inputs.NAME }}.
  [/\$\{\{\s*(?:secrets|env)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g, "${env:$1}"],
  [/\$\{\{\s*inputs\.([\w-]+)\s*\}\}/g, "${input:$1}"],
  // opencode: {env:NAME} and {file:PATH}.
  [/(?<![$\w])\{env:([A-Za-z_][A-Za-z0-9_]*)\}/g, "${env:$1}"],
  [/(?<![$\w])\{file:([^{}"]+)\}/g, "${file:$1}"],
  [/\$\{(?:ENV:|Env:|env\.|process\.env\.)([A-Za-z_][A-Za-z0-9_]*)\}/g, "${env:$1}"],
  // PowerShell, of which no shell is left here.
  [/\$env:([A-Za-z_][A-Za-z0-9_]*)/gi, "${env:$1}"],
  // JetBrains.
  [/\$PROJECT_DIR\$|\$\{PROJECT_DIR\}/g, "${workspaceFolder}"],
  [/\$USER_HOME\$/g, "${userHome}"],
];

/** Converts variables in other programs' spelling, and names those that a person has to give a value. */
export function convertTexts(draft: EntryDraft): void {
  const { entry } = draft;
  const isShell = isForShell(entry.command, entry.args);
  for (const key of KEYS) {
    const value = entry[key];
    if (value !== undefined && !(isShell && key === "args")) entry[key] = convertIn(draft, [key], value);
    askIn(draft, [key], entry[key]);
  }
}

function convertIn(draft: EntryDraft, path: EntryPath, value: Json): Json {
  if (typeof value === "string") {
    const ours = inOurSpelling(value);
    // The text may hold a secret beside the variable.
    if (ours !== value) draft.note("converted", path, "has its variables in EXAI's spelling now");
    return ours;
  }
  if (Array.isArray(value)) return value.map((item, i) => convertIn(draft, [...path, i], item));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, item]): [string, Json | undefined] => {
    return [name, item === undefined ? item : convertIn(draft, [...path, name], item)];
  });
  return Object.fromEntries(entries);
}

function inOurSpelling(text: string): string {
  if (!/[{$]/.test(text)) return text;
  return SPELLINGS.reduce((converted, [form, ours]) => converted.replace(form, ours), text);
}

const ASKED = /(?<!\$)\$\{(?:input:([\w.-]+)[^{}]*|(CLAUDE_PLUGIN_(?:ROOT|DATA)|extensionPath|__dirname))\}/g;

function askIn(draft: EntryDraft, path: EntryPath, value: Json | undefined): void {
  if (typeof value === "string") {
    for (const [, input, plugin] of value.matchAll(ASKED)) {
      const message = plugin === undefined
        ? `needs a value for \${input:${input}}, which a person gives the client`
        : `needs a directory for \${${plugin}}, which only the client knows`;
      draft.ask(plugin ?? `input:${input}`, path, message);
    }
  } else if (Array.isArray(value)) value.forEach((item, i) => askIn(draft, [...path, i], item));
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) askIn(draft, [...path, name], item);
  }
}
