import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { VERSION } from "../base/version.ts";
import { formatFault } from "../config/config_fault.ts";
import { isStartedByShim } from "../config/daemon_environment.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import { SettingsFileError } from "../config/program_settings.ts";
import { type Settings, SETTINGS_EXIT_CODE } from "../config/settings.ts";
import { AddressInUseError } from "../edge/deno_listener.ts";
import { locateDaemon } from "../client/address.ts";
import { claimHome, type RunningDaemon } from "./claim_home.ts";
import { checkOptions, COMMANDS, runCommand } from "../commands/commands.ts";
import { commandHelp, programHelp } from "../commands/help.ts";
import { Daemon } from "./daemon.ts";
import { keepLoopbackDirect } from "./direct_loopback.ts";
import { holdWindow } from "./double_click.ts";
import { CrashReports, describeUncleanExit } from "../state/crash_reports.ts";
import { describeOwner, HomeLock } from "../state/home_lock.ts";
import { type Logging, startLogging } from "../state/log_files.ts";
import { probeDaemon, type ProbeResult } from "../client/probe.ts";
import { ensureStateDir, writePrivateFile } from "../state/state_files.ts";
import { openLoginSettings, openSettings, type SettingsSource } from "./settings_source.ts";
import { fail, print, say, stopSignal } from "./program_io.ts";

const log = getLogger(["exai", "daemon"]);

const PROBE_TIMEOUT_MS = 2000;

const WHY_KEPT =
  "a daemon of this state directory has run with the token auto; write it into exai.json, or delete " +
  "the file to go on without a token";

/** Runs `exai-daemon`. Resolves with the exit code: 0 when it was stopped, 1 when it could not start. */
export async function daemonMain(): Promise<number> {
  try {
    const source = await openSettings();
    const { started: loaded } = source;
    if (loaded.switches.has("help")) {
      const [name = ""] = loaded.words;
      const command = ownEntry(COMMANDS, name);
      return say(command ? commandHelp(name, command) : programHelp());
    }
    if (loaded.switches.has("version")) return say(`exai-daemon ${VERSION}`);
    if (loaded.words.length > 0) {
      const { text, code } = await runCommand(loaded, print).catch((thrown) =>
        throwWithFaults(thrown, source)
      );
      print(text);
      return code;
    }
    checkOptions(loaded);
    return await (isStartedByShim() ? serveForShim : serve)(source);
  } catch (thrown) {
    const code = fail("exai-daemon", thrown);
    await holdWindow();
    return code;
  }
}

/** What is wrong with the settings may be why a command fails. */
function throwWithFaults(thrown: unknown, { started: { file } }: SettingsSource): never {
  if (file.faults.length === 0 || !(thrown instanceof ExaiError)) throw thrown;
  throw new ExaiError(thrown.code, [thrown.message, ...file.faults.map(formatFault)].join("\n"));
}

/** Nobody sees the output of a daemon that a shim starts, so why it cannot start is written down for the shim. */
async function serveForShim(source: SettingsSource): Promise<number> {
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
  const home = await claimHome(loaded.settings, paths);
  const isFine = loaded.switches.has("if-not-running");
  if (!(home instanceof HomeLock)) return explainRunning(home, { isFine, home: paths.home });
  // Released last: until then this process writes to the directory.
  using lock = home;
  const source = isStartedByShim() ? await openLoginSettings() : given;
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
    return await run(source, { paths, lock, logging, crashes, running, crashed: crashed.promise });
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
    if (!(thrown instanceof AddressInUseError)) throw thrown;
    return await explainTaken(thrown, settings, { fine: switches.has("if-not-running") });
  }
  around.running.daemon = daemon;
  say(banner(daemon, paths));
  log.info("exai {version} listens on {url}", { version: VERSION, url: daemon.url });
  if (isTokenKept) {
    log.info("no token is set, and the one in {path} is asked for: {why}", {
      path: paths.token,
      why: WHY_KEPT,
    });
  }
  for (const note of before) log.warning("{note}", { note });
  const end = await Promise.race([stopSignal(), crashed]);
  log.info("{end}: stopping", { end: typeof end === "number" ? "too many errors" : end });
  await daemon.stop();
  return typeof end === "number" ? end : 0;
}

/** Reports which daemon has the state directory. */
function explainRunning(running: RunningDaemon, { isFine, home }: { isFine: boolean; home: string }): number {
  const message = `an EXAI daemon already runs at ${running.url}${describeOwner(running)}`;
  if (isFine) return say(message);
  throw new ExaiError(
    "CONFIG",
    `${message} and uses the state directory ${home}; use it, stop it first, or set EXAI_HOME and EXAI_WS_PORT to ` +
      "run another beside it",
  );
}

/** Reports which program has the address, by its answer: a file with a process id would not prove it. */
async function explainTaken(
  taken: AddressInUseError,
  settings: Settings,
  how: { fine: boolean },
): Promise<number> {
  const url = `${settings.tlsCert ? "wss" : "ws"}://${settings.host}:${settings.port}/`;
  const found = await whoListens(url, settings);
  if (found.kind !== "exai") throw taken;
  const message = `an EXAI daemon already runs at ${url}${describeOwner(found)}`;
  if (how.fine) return say(message);
  throw new ExaiError("CONFIG", `${message}; use it, stop it first, or set EXAI_WS_PORT to run another`);
}

/** By the socket first, which requires no certificate. */
async function whoListens(url: string, settings: Settings): Promise<ProbeResult> {
  const found = await locateDaemon(settings, statePaths(settings));
  const { socket, usesToken, allowsAnyUser, readToken, readTls } = found;
  const options = { usesToken, allowsAnyUser, readToken, timeoutMs: PROBE_TIMEOUT_MS };
  if (socket?.startsWith("/")) {
    const found = await probeDaemon("ws://localhost/", { ...options, socket });
    if (found.kind === "exai") return found;
  }
  return await probeDaemon(url, { ...options, tls: await readTls?.() });
}

function banner(daemon: Daemon, paths: StatePaths): string {
  return [
    `EXAI ${VERSION} is running (process ${Deno.pid}). Stop it with Ctrl+C.`,
    `  address  ${daemon.url}`,
    `  tools    ${daemon.toolCount}`,
    `  state    ${paths.home}`,
    `  next     point your editor's MCP configuration at exai-shim; "exai-shim --help" shows how`,
  ].join("\n");
}
