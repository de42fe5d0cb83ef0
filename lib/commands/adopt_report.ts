import { type JsonObject, textOf } from "../base/json.ts";
import { counted } from "../base/text.ts";
import { visible } from "../base/visible.ts";
import type { AdoptionOutcome } from "../adopt/apply.ts";
import type { SavedBackup } from "../adopt/backups.ts";
import type { EntryChange } from "../adopt/point_file.ts";
import type { PlannedFile, PlannedServer } from "../adopt/plan.ts";
import type { PreparedAdoption } from "../adopt/prepare.ts";
import { sharingOf } from "../adopt/sharing.ts";
import type { UndoneFile } from "../adopt/undo.ts";
import { formatTable, MAX_ERROR_CHARS } from "./table.ts";

const SHARED_BY: Readonly<Record<string, string>> = {
  machine: "all windows",
  project: "one directory",
  window: "one window",
  session: "nobody",
};

/** What would be changed, for people. Values that may be secrets are not in it. */
export function planText(prepared: PreparedAdoption): string {
  const { plan, target, files } = prepared;
  const changed = plan.files.filter(({ changes }) => changes.length > 0);
  const parts = [
    files === 0
      ? "No configuration of a client was found."
      : `${counted(files, "configuration")} found, with ${counted(plan.servers.length, "server")} to share.`,
    ...(plan.servers.length > 0 ? [serverTable(plan.servers)] : []),
    ...(plan.imports.length > 0 ? [importsText(plan.servers, target.path)] : []),
    ...changed.map(fileText),
    ...plan.files.filter(({ changes }) => changes.length === 0).map(unwrittenText),
    ...keptText(prepared),
    ...todoText(prepared),
  ];
  if (changed.length === 0 && plan.imports.length === 0) parts.push("There is nothing to change.");
  return parts.join("\n\n");
}

function serverTable(servers: readonly PlannedServer[]): string {
  const rows = servers.map(({ name, entry, isDisabled, origins }) => {
    const { scope, why } = sharingOf(name, entry);
    const clients = [...new Set(origins.map(({ reading }) => reading.found.client.title))].join(", ");
    const same = origins.length > 1 ? `${clients} (the same in ${origins.length} places)` : clients;
    return [name, isDisabled ? "disabled" : SHARED_BY[scope], same, why];
  });
  return formatTable(["SERVER", "SHARED BY", "FROM", "WHY"], rows);
}

function importsText(servers: readonly PlannedServer[], path: string): string {
  const lines = servers.filter(({ isThere }) => !isThere).flatMap(({ name, entry, isDisabled, notes }) => [
    `  + ${visible(name)}: ${visible(startOf(entry))}${isDisabled ? " (disabled)" : ""}`,
    ...notes.map((note) => `      ${visible(note, MAX_ERROR_CHARS)}`),
  ]);
  return [visible(path), ...lines].join("\n");
}

/** Flags of launchers that take no value, or a package as theirs; what follows any other may be a secret. */
const LAUNCHER_FLAGS =
  /^(?:-y|--yes|-q|--quiet|-p|--package|--from|-m|-i|-it|--rm|--init|--bun|-A|-u|\/[cdk])$/;

/** What an entry starts or reaches: the program and its package, or the host; arguments may hold secrets. */
function startOf(entry: JsonObject): string {
  const url = textOf(entry.url);
  if (url !== undefined) return URL.parse(url)?.origin ?? "a URL with variables";
  const args = Array.isArray(entry.args) ? entry.args : [];
  const isPackage = (arg: unknown) =>
    typeof arg === "string" && /^@?[a-z][\w./@-]*$/i.test(arg) && arg.length < 80;
  const isOther = (arg: unknown) => String(arg).startsWith("-") && !LAUNCHER_FLAGS.test(String(arg));
  const end = args.findIndex(isOther);
  const first = args.slice(0, end < 0 ? args.length : end).find(isPackage);
  return [textOf(entry.command), first].filter((word) => word !== undefined).join(" ");
}

function fileText({ reading, changes, reasons }: PlannedFile): string {
  const { path, client } = reading.found;
  const own = changes.filter(({ kind }) => kind === "added");
  const others = changes.filter(({ kind }) => kind !== "added");
  return [
    `${visible(path)} (${client.title})`,
    ...(others.some(({ kind }) => kind === "pointed") && reasons.length > 0
      ? [`  each server keeps its entry, since ${visible(reasons[0]!, MAX_ERROR_CHARS)}`]
      : []),
    ...[...others, ...own].map(changeText),
  ].join("\n");
}

function changeText(change: EntryChange): string {
  const name = visible(change.name);
  if (change.kind === "removed") return `  - ${name}`;
  if (change.kind === "pointed") return `  ~ ${name}: through EXAI, as ${visible(change.server)}`;
  return `  + ${name}: ${change.server === undefined ? "all servers" : "EXAI's own tools"}`;
}

/** A file that is read and never written. */
function unwrittenText({ reading: { found, entries } }: PlannedFile): string {
  const names = entries.map(({ name }) => visible(name)).join(", ");
  return `${visible(found.path)} (${found.client.title})\n` +
    `  is imported, and written by the IDE alone: in Settings | Tools | AI Assistant | Model Context Protocol, ` +
    `add exai-shim and remove ${names}`;
}

function keptText({ plan }: PreparedAdoption): string[] {
  const entries = plan.kept.map(({ reading, entry, reason }) =>
    `  ${visible(reading.found.path)}: ${visible(entry.name)}: ${visible(reason, MAX_ERROR_CHARS)}`
  );
  const files = plan.left.map(({ found, reason }) =>
    `  ${visible(found.path)} (${found.client.title}): ${visible(reason, MAX_ERROR_CHARS)}`
  );
  return entries.length + files.length === 0 ? [] : [["Left as it is:", ...entries, ...files].join("\n")];
}

function todoText({ plan, target }: PreparedAdoption): string[] {
  const dir = target.path.replace(/[^/\\]+$/, "");
  const asks = plan.servers.flatMap(({ name, asks }) =>
    asks.map(({ title, file }) =>
      `  ${visible(name)}: write ${visible(title)} into ${
        visible(dir + file)
      }, for you alone, then run exai-daemon reload`
    )
  );
  const adopted = new Set(plan.files.map(({ reading }) => reading.found.client));
  const notes = [...adopted].flatMap(({ note }) => note === undefined ? [] : [`  ${note}`]);
  const local = plan.servers.filter(({ isThere, isDisabled, origins }) =>
    !isThere && !isDisabled && origins.every(({ entry }) => entry.project !== undefined)
  ).map(({ name }) => visible(name));
  const shown = local.length === 0
    ? []
    : [`  every window sees what was for one project so far: ${local.join(", ")}`];
  const lines = [...new Set([...asks, ...shown, ...notes])];
  return lines.length === 0 ? [] : [["To know and to do:", ...lines].join("\n")];
}

/** What was changed. */
export function outcomeText({ backup, files }: AdoptionOutcome, prepared: PreparedAdoption): string {
  const written = files.filter(({ reason }) => reason === undefined);
  const failed = files.filter(({ reason }) => reason !== undefined);
  return [
    `${counted(written.length, "file")} changed; as they were they are in ${visible(backup)}`,
    ...failed.map(({ path, reason }) =>
      `${visible(path)} is left as it is: it ${visible(reason!, MAX_ERROR_CHARS)}`
    ),
    ...(prepared.plan.files.length > 0 ? ["Clients that run use EXAI once they are started again."] : []),
    "exai-daemon adopt --undo takes it back.",
  ].join("\n");
}

/** What was taken back. */
export function undoneText({ record }: SavedBackup, files: readonly UndoneFile[]): string {
  const words: Record<UndoneFile["how"], string> = {
    restored: "is as it was",
    removed: "is removed again",
    edited: "has been changed since; the servers in it are as they were",
    same: "was as it was",
    left: "is left as it is",
  };
  const lines = files.map(({ path, how, reason }) =>
    `  ${visible(path)} ${words[how]}${
      reason === undefined ? "" : `: it ${visible(reason, MAX_ERROR_CHARS)}`
    }`
  );
  return [`The adoption of ${record.made_at} is taken back:`, ...lines].join("\n");
}

/** As {@linkcode planText}, for programs. */
export function planJson({ plan, target, files }: PreparedAdoption): Record<string, unknown> {
  return {
    found: files,
    mcp: target.path,
    servers: plan.servers.map(({ name, entry, isDisabled, isThere, origins, notes, asks }) => ({
      name,
      state: isThere ? "there" : "new",
      disabled: isDisabled,
      shared: sharingOf(name, entry).scope,
      why: sharingOf(name, entry).why,
      starts: startOf(entry),
      from: origins.map(({ reading, entry }) => ({
        client: reading.found.client.id,
        path: reading.found.path,
        name: entry.name,
        project: entry.project ?? null,
      })),
      notes,
      asks,
    })),
    files: plan.files.map(({ reading, changes, reasons }) => ({
      client: reading.found.client.id,
      path: reading.found.path,
      changes,
      reasons,
    })),
    kept: plan.kept.map(({ reading, entry, reason }) => ({
      path: reading.found.path,
      name: entry.name,
      reason,
    })),
    left: plan.left.map(({ found, reason }) => ({ client: found.client.id, path: found.path, reason })),
  };
}

/** As {@linkcode outcomeText}, for programs. */
export function outcomeJson({ backup, files }: AdoptionOutcome): Record<string, unknown> {
  return { backup, files: files.map(({ path, reason = null }) => ({ path, reason })) };
}
