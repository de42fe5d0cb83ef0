import { resolve } from "@std/path/resolve";
import { messageOf, UsageError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { visible } from "../base/visible.ts";
import { type AdoptionOutcome, applyAdoption } from "../adopt/apply.ts";
import type { ClientProfile } from "../adopt/client_profile.ts";
import { CLIENTS } from "../adopt/clients.ts";
import { type AdoptOptions, prepareAdoption, type PreparedAdoption } from "../adopt/prepare.ts";
import type { Door } from "../adopt/shim_entry.ts";
import { lastAdoption, undoAdoption } from "../adopt/undo.ts";
import { windowsHomes } from "../adopt/windows_side.ts";
import { ownPlaces, wslDistribution } from "../config/client_places.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import { type ProgramCommand, shimCommand } from "../config/shim_program.ts";
import { outcomeJson, outcomeText, planJson, planText, undoneText } from "./adopt_report.ts";
import type { CommandResult, Invocation } from "./command.ts";
import { lockConfig } from "./config_lock.ts";
import { EXIT } from "./exit_codes.ts";
import { testNamed } from "./server_actions/test.ts";
import { MAX_ERROR_CHARS } from "./table.ts";

/** Runs `exai-daemon adopt`. */
export async function adopt(invocation: Invocation): Promise<CommandResult> {
  const { settings, switches } = invocation;
  const paths = statePaths(settings);
  const isDry = switches.has("dry-run");
  if (switches.has("undo")) {
    using _lock = isDry ? undefined : await lockConfig(paths);
    return await undo(paths.backups, isDry);
  }
  const { prepared, text, outcome, ...ended } = await planAndApply(invocation, paths);
  if (outcome === undefined) return { text, ...ended, json: { ...planJson(prepared), applied: null } };
  const code = outcome.files.some(({ reason }) => reason !== undefined) ? EXIT.no : EXIT.done;
  const shown = switches.has("yes") ? `${text}\n\n` : "";
  const tested = await testImported(invocation, prepared);
  return {
    text: [shown + outcomeText(outcome, prepared), ...tested === undefined ? [] : [tested.text]].join("\n\n"),
    code,
    json: { ...planJson(prepared), applied: outcomeJson(outcome), tested: tested?.json ?? null },
  };
}

interface AdoptionRun {
  prepared: PreparedAdoption;
  /** The plan in words, or why nothing was changed. */
  text: string;
  /** Undefined: nothing was to be changed, or the user has not agreed. */
  outcome?: AdoptionOutcome;
  code?: CommandResult["code"];
}

/** Reads, plans and writes. Where the user is not asked in between, no other command changes `mcp.json` meanwhile. */
async function planAndApply(invocation: Invocation, paths: StatePaths): Promise<AdoptionRun> {
  const { switches, progress } = invocation;
  const isDry = switches.has("dry-run");
  const isAsked = !isDry && !switches.has("yes");
  using lock = isDry || isAsked ? undefined : await lockConfig(paths);
  progress.step("reading the configurations of clients");
  const prepared = await prepareAdoption(await optionsOf(invocation));
  progress.end();
  const text = planText(prepared);
  const hasChanges = prepared.plan.imports.length > 0 ||
    prepared.plan.files.some(({ edits }) => edits.length > 0);
  if (isDry || !hasChanges) return { prepared, text };
  const answer = isAsked ? askToApply(invocation, text) : undefined;
  if (answer !== undefined) return { prepared, text: answer, code: EXIT.no };
  using _lock = lock ?? await lockConfig(paths);
  const outcome = await applyAdoption(prepared.plan, prepared.target, paths.backups);
  return { prepared, text, outcome };
}

/**
 * Starts what was imported, so that clients find its tools in their first conversation, and the user reads now what does
 * not work. Whatever comes of it, the files are changed.
 */
async function testImported(
  invocation: Invocation,
  { plan }: PreparedAdoption,
): Promise<Pick<CommandResult, "text" | "json"> | undefined> {
  const names = plan.servers.filter(({ isDisabled }) => !isDisabled).map(({ name }) => name);
  if (names.length === 0 || invocation.switches.has("no-test")) return undefined;
  try {
    return await testNamed(invocation, names);
  } catch (thrown) {
    const why = messageOf(thrown);
    return { text: `The servers cannot be tested: ${visible(why, MAX_ERROR_CHARS)}`, json: { error: why } };
  }
}

/** Undefined when the user has agreed; else what is printed. */
function askToApply({ print, switches }: Invocation, text: string): string | undefined {
  if (!Deno.stdin.isTerminal() || switches.has("json")) {
    return `${text}\n\nNothing was changed, as nobody can be asked here: add --yes to do it, --dry-run to see it only.`;
  }
  print(text);
  return confirm("\nChange these files?") ? undefined : "Nothing was changed.";
}

async function undo(backups: string, isDry: boolean): Promise<CommandResult> {
  const last = await lastAdoption(backups);
  if (!last) return { text: "There is no adoption to take back.", code: EXIT.no, json: { undone: null } };
  const { record: { made_at, files: saved }, dir } = last;
  if (isDry) {
    const paths = saved.map(({ path }) => path);
    return {
      text: [
        `The adoption of ${made_at} would be taken back, in:`,
        ...paths.map((path) => `  ${visible(path)}`),
      ].join("\n"),
      json: { undone: null, would_undo: { made_at, backup: dir, files: paths } },
    };
  }
  const files = await undoAdoption(last);
  const code = files.some(({ reason }) => reason !== undefined) ? EXIT.no : EXIT.done;
  return {
    text: undoneText(last, files),
    code,
    json: { undone: { made_at, backup: dir, files } },
  };
}

async function optionsOf({ settings, switches, options }: Invocation): Promise<AdoptOptions> {
  const places = ownPlaces();
  const given = (options.get("project") ?? []).map((dir) => resolve(dir));
  const projects = (given.length > 0 ? given : [Deno.cwd()]).filter((dir) =>
    resolve(dir) !== resolve(places.home)
  );
  const clients = clientsOf(options.get("client") ?? []);
  const homes = options.get("windows-home") ?? [];
  const distribution = wslDistribution();
  const shim = shimCommand();
  const env = daemonVariables(settings);
  const own: Door = { kind: "shim", ...shim, env };
  const shims = { own, windows: windowsDoor(own, distribution) };
  const http: Door = { kind: "http", url: `http://127.0.0.1:${settings.port}/mcp` };
  if (switches.has("http") && settings.token !== "") {
    throw new UsageError(
      "--http cannot be used with a token (EXAI_WS_TOKEN), which would stand in every client's file; leave --http out",
    );
  }
  return {
    places,
    projects,
    clients,
    windowsHomes: homes,
    otherWindowsHomes: homes.length === 0 && distribution !== undefined ? await windowsHomes() : [],
    isUserOnly: switches.has("user-only"),
    areTrackedChanged: switches.has("tracked"),
    isEach: switches.has("per-server"),
    doors: switches.has("http") ? { own: http, windows: http } : shims,
    shims,
    own: { shim, port: settings.port },
    mcp: statePaths(settings).config,
  };
}

/** What a shim needs to find the same daemon. */
function daemonVariables({ home, config }: Invocation["settings"]): Record<string, string> {
  return {
    ...(home === "" ? {} : { EXAI_HOME: resolve(home) }),
    ...(config === "" ? {} : { EXAI_CONFIG: resolve(config) }),
  };
}

/** The shim in WSL as a client on Windows starts it. */
function windowsDoor(own: Door & ProgramCommand, distribution: string | undefined): Door {
  if (own.kind !== "shim") return own;
  const variables = Object.entries(own.env).map(([name, value]) => `${name}=${value}`);
  const args = [
    ...(distribution === undefined ? [] : ["-d", distribution]),
    "--exec",
    ...(variables.length > 0 ? ["env", ...variables] : []),
    own.command,
    ...own.args,
  ];
  return { kind: "shim", command: "wsl.exe", args, env: {} };
}

function clientsOf(ids: readonly string[]): readonly ClientProfile[] {
  const known = CLIENTS.map(({ id }) => id);
  const wrong = ids.find((id) => !known.includes(id));
  if (wrong !== undefined) {
    throw new UsageError(
      `--client=${quoteName(wrong)} is no client${didYouMean(wrong, known)}; there are: ${known.join(", ")}`,
    );
  }
  return ids.length === 0 ? CLIENTS : CLIENTS.filter(({ id }) => ids.includes(id));
}
