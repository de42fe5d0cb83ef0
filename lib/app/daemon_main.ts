import { getLogger } from "@logtape/logtape";
import { dirname } from "@std/path/dirname";
import { ExaiError, messageOf, OutputClosed } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { describeVersion, VERSION } from "../base/version.ts";
import { visibleJson } from "../base/visible.ts";
import { asksForBackground, asksForJson } from "../config/command_line.ts";
import { recordProgram } from "../client/last_program.ts";
import { formatFault } from "../config/config_fault.ts";
import { isStartedByShim } from "../config/daemon_environment.ts";
import type { LoadedSettings } from "../config/load.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import { SettingsFileError } from "../config/program_settings.ts";
import { SETTINGS_EXIT_CODE } from "../config/settings.ts";
import { AddressUnavailableError } from "../edge/deno_listener.ts";
import { claimHome } from "./claim_home.ts";
import { COMMANDS, runCommand, unknownCommand } from "../commands/commands.ts";
import { errorJson, exitCodeOf } from "../commands/exit_codes.ts";
import { commandHelp, programHelp } from "../commands/help.ts";
import { ProgressLine } from "../commands/progress.ts";
import { stderrScreen } from "../commands/terminal.ts";
import { findCommand } from "../commands/usage.ts";
import { wrapHelp } from "../commands/help_lines.ts";
import { Daemon } from "./daemon.ts";
import { isSuccessorOf, Succession, takeOver } from "./take_over.ts";
import { keepLoopbackDirect } from "./direct_loopback.ts";
import { holdWindow, ownsItsConsole, WINDOW_ADVICE } from "./double_click.ts";
import { CrashReports, describeUncleanExit } from "../state/crash_reports.ts";
import { HomeLock } from "../state/home_lock.ts";
import { type Logging, startLogging } from "../state/log_files.ts";
import { ensureStateDir, StateDirError, writePrivateFile } from "../state/state_files.ts";
import { openVault } from "./daemon_secrets.ts";
import { asksForRenewal, renewFromStdin } from "../auth/renewal_process.ts";
import { openLoginSettings, openSettings, type SettingsSource } from "./settings_source.ts";
import { fail, print, say, stopSignal } from "./program_io.ts";
import { alreadyRuns, describeRunning, findDaemonAt, type RunningDaemon } from "./running_daemon.ts";

const log = getLogger(["exai", "daemon"]);

/** How long calls may go on once the window of the daemon is closed: Windows ends it after five seconds in all. */
const CLOSED_WINDOW_MS = SECOND_MS;

const WHY_KEPT =
  "a daemon of this state directory has run with the token auto; write it into exai.json, or delete " +
  "the file to go on without a token";

/**
 * Runs `exai-daemon`. Resolves with the exit code: 0 when it was stopped, or another daemon runs and that is fine
 * (`--if-not-running`); 1 when it could not start, or another daemon runs.
 */
export async function daemonMain(): Promise<number> {
  try {
    const source = await openSettings();
    const { started: loaded } = source;
    if (loaded.switches.has("help")) {
      const found = findCommand(COMMANDS, loaded.words);
      if (!found && loaded.words.length > 0) throw unknownCommand(loaded.words[0]!);
      return say(wrapHelp(found ? commandHelp(found.path, found.command) : programHelp(COMMANDS)));
    }
    if (loaded.switches.has("version")) return say(`exai-daemon ${describeVersion()}`);
    if (asksForRenewal(loaded.words)) return await renew(loaded);
    if (loaded.words.length > 0) return await command(source);
    return await (isUnattended(loaded) ? serveUnattended : serve)(source);
  } catch (thrown) {
    if (asksForJson()) say(visibleJson(errorJson(thrown), 2));
    else fail("exai-daemon", thrown);
    if (!asksForBackground()) await holdWindow();
    return exitCodeOf(thrown);
  }
}

async function renew({ settings }: Pick<LoadedSettings, "settings">): Promise<number> {
  keepLoopbackDirect();
  await renewFromStdin(openVault(settings, statePaths(settings)).credentials, print);
  return 0;
}

/** Runs the command that the command line names, and prints its result. */
async function command(source: SettingsSource): Promise<number> {
  const { started } = source;
  // Commands reach servers of this machine too.
  keepLoopbackDirect();
  using progress = new ProgressLine(stderrScreen());
  const show = (text: string) => {
    progress.end();
    print(text);
  };
  let ended = 0;
  try {
    const { text, code, json } = await runCommand(started, { print: show, progress });
    ended = code;
    const shown = started.switches.has("json") && json !== undefined ? visibleJson(json, 2) : text;
    if (shown !== "") show(shown);
  } catch (thrown) {
    if (!(thrown instanceof OutputClosed)) throwWithFaults(thrown, source);
  }
  return ended;
}

/** What is wrong with the settings may be why a command fails. */
function throwWithFaults(thrown: unknown, { started: { settings, file } }: SettingsSource): never {
  if (file.faults.length === 0 || !(thrown instanceof ExaiError)) throw thrown;
  // The file is in that directory: its fault is the same.
  if (thrown instanceof StateDirError && dirname(file.path) === settings.home) throw thrown;
  throw new ExaiError(thrown.code, [thrown.message, ...file.faults.map(formatFault)].join("\n"));
}

/** Whether a shim or a service manager has started this daemon, so that it has no terminal. */
function isUnattended({ switches }: Pick<LoadedSettings, "switches">): boolean {
  return isStartedByShim() || switches.has("background");
}

/** Nobody sees the output of such a daemon, so why it cannot start is written down for the shim. */
async function serveUnattended(source: SettingsSource): Promise<number> {
  const { startFailure } = statePaths(source.started.settings);
  await Deno.remove(startFailure).catch(() => {});
  try {
    return await serve(source);
  } catch (thrown) {
    await writePrivateFile(startFailure, `${messageOf(thrown)}\n`).catch(() => {});
    if (thrown instanceof SettingsFileError) return SETTINGS_EXIT_CODE;
    throw thrown;
  }
}

async function serve(given: SettingsSource): Promise<number> {
  keepLoopbackDirect();
  const { started: loaded } = given;
  const paths = statePaths(loaded.settings);
  await ensureStateDir(paths);
  // Begun now, as the first window waits for it: an interactive login shell takes long to start.
  const asked = isUnattended(loaded) ? openLoginSettings() : Promise.resolve(given);
  asked.catch(() => {});
  const found = await claimHome(loaded.settings, paths);
  const taken = found instanceof HomeLock ? found : await takeOverFrom(found, { given, asked, paths });
  // Also where this program has had the newer daemon started by a service manager.
  const isFine = loaded.switches.has("if-not-running") || taken !== found;
  if (!(taken instanceof HomeLock || taken instanceof Succession)) {
    return explainRunning(taken, { isFine, paths });
  }
  // Released last: until then this process writes to the directory.
  using lock = taken instanceof Succession ? taken.lock : taken;
  using succession = taken instanceof Succession ? taken : undefined;
  const source = await asked;
  // Again, as the login shell may name a proxy.
  keepLoopbackDirect();
  const { settings, file } = source.started;
  if (file.faults.length > 0) throw new SettingsFileError(file.faults);
  const crashed = Promise.withResolvers<number>();
  const running: { daemon?: Daemon } = {};
  using crashes = new CrashReports({
    dir: paths.crashes,
    counts: () => running.daemon?.health() ?? {},
    exit: crashed.resolve,
  });
  await using logging = await startLogging({
    program: "daemon",
    settings,
    paths,
    sinks: { recent: crashes.sink },
  });
  crashes.install();
  try {
    return await run(source, {
      paths,
      lock,
      logging,
      crashes,
      running,
      crashed: crashed.promise,
      onListening: () => succession?.[Symbol.dispose](),
    });
  } catch (thrown) {
    if (!(thrown instanceof ExaiError)) crashes.write(thrown, true);
    throw thrown;
  }
}

interface Surroundings {
  paths: StatePaths;
  lock: HomeLock;
  logging: Logging;
  crashes: CrashReports;
  /** The daemon once it has started, for crash reports. */
  running: { daemon?: Daemon };
  /** Resolves with the exit code after too many uncaught errors. */
  crashed: Promise<number>;
  /** Called when the daemon answers. */
  onListening(): void;
}

/** Takes the place of a daemon that is older than this program; any other keeps it. */
async function takeOverFrom(
  running: RunningDaemon,
  { given, asked, paths }: { given: SettingsSource; asked: Promise<SettingsSource>; paths: StatePaths },
): Promise<Succession | RunningDaemon> {
  if (!isSuccessorOf(running)) return running;
  // Settings this daemon cannot start with must show before the other one ends.
  const { started } = await asked;
  if (started.file.faults.length > 0) throw new SettingsFileError(started.file.faults);
  const { settings } = given.started;
  const onWait = (waitsFor: string) =>
    say(`${describeRunning(running)}; version ${VERSION} takes over after ${waitsFor}`);
  const isService = given.started.switches.has("background");
  const isUnattended = given.started.switches.has("if-not-running");
  return await takeOver(running, { settings, paths, onWait, isService, isUnattended });
}

async function run(source: SettingsSource, around: Surroundings): Promise<number> {
  const { settings, switches, isTokenKept } = source.started;
  const { paths, lock, logging, crashes, crashed } = around;
  const before = await describeUncleanExit(paths.health);
  let daemon: Daemon;
  try {
    daemon = await Daemon.start({
      settings,
      source,
      onSettings: ({ logLevel }) => logging.setLevel(logLevel),
      paths,
      lock,
      faults: () => logging.faults(),
      notes: () => [...before, ...crashes.notes],
    });
  } catch (thrown) {
    if (!(thrown instanceof AddressUnavailableError)) throw thrown;
    const running = await findDaemonAt(settings, paths);
    if (!running) throw thrown;
    return explainRunning(running, { isFine: switches.has("if-not-running"), paths });
  }
  around.running.daemon = daemon;
  around.onListening();
  // A full disk: a window may then start an older daemon than this one.
  await recordProgram(paths).catch(() => {});
  say(banner(daemon, paths));
  log.info("exai {version} listens on {url}", { version: VERSION, url: daemon.url });
  if (isTokenKept) {
    log.info("no token is set, and the one in {path} is asked for: {why}", {
      path: paths.token,
      why: WHY_KEPT,
    });
  }
  for (const note of before) log.warning("{note}", { note });
  const end = await Promise.race([
    stopSignal(),
    crashed,
    daemon.handover.accepted,
    daemon.stopRequest.accepted,
  ]);
  log.info("{end}: stopping", { end: typeof end === "number" ? "too many errors" : end });
  await daemon.stop(end === "SIGHUP" && Deno.build.os === "windows" ? { maxDrainMs: CLOSED_WINDOW_MS } : {});
  return typeof end === "number" ? end : 0;
}

/** Reports which daemon has the state directory, or the address. */
function explainRunning(
  running: RunningDaemon,
  { isFine, paths }: { isFine: boolean; paths: StatePaths },
): number {
  if (isFine) return say(describeRunning(running));
  throw alreadyRuns(running, paths.home);
}

function banner(daemon: Daemon, paths: StatePaths): string {
  return [
    `EXAI ${VERSION} is running (process ${Deno.pid}). Stop it with Ctrl+C.`,
    `  address  ${daemon.url}`,
    ...daemon.addressNotes.map((note) => `           ${note}`),
    `  tools    ${daemon.toolCount}`,
    `  state    ${paths.home}`,
    ...(ownsItsConsole() ? WINDOW_ADVICE : []),
    `  next     point your editor's MCP configuration at exai-shim; "exai-shim --help" shows how`,
  ].join("\n");
}
