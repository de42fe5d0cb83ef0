import { getLogger } from "@logtape/logtape";
import { deadline } from "@std/async/deadline";
import { resolve } from "@std/path/resolve";
import { ExaiError, messageOf } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { registerSecret } from "../base/log.ts";
import { describeVersion } from "../base/version.ts";
import { programDir, type StatePaths, statePaths } from "../config/paths.ts";
import { parentProcess } from "../config/process_variables.ts";
import type { Settings } from "../config/settings.ts";
import { readWindowSettings, type WindowSettings } from "../config/window_settings.ts";
import { isLocal } from "../client/daemon_url.ts";
import { Bridge } from "../shim/bridge.ts";
import { Dialer } from "../shim/dialer.ts";
import { ProcessStdio } from "../transport/process_stdio.ts";
import { STDIN_ENDED, StdioPeer } from "../transport/stdio.ts";
import { startLogging } from "../state/log_files.ts";
import { fail, say, stopSignal } from "./program_io.ts";
import { ShimDialing } from "./shim_dialing.ts";

const log = getLogger(["exai", "shim"]);

const SWITCHES = [{ flag: "version", help: "Show the version and exit" }] as const;

/** How long requests sent before the client closed stdin may still be answered. */
const LAST_ANSWERS_MS = 1000;
const LAST_WRITE_MS = 1000;
const CLOSE_MS = 250;

/**
 * Runs `exai-shim`. Resolves with the exit code: 0 when the client has disconnected or stopped it, 1 when a setting is
 * wrong. Nothing but MCP is written to stdout, `--help` and `--version` aside.
 */
export async function shimMain(): Promise<number> {
  try {
    const window = await readSettings();
    const { switches, words } = window;
    if (switches.has("help")) return say(await help());
    if (switches.has("version")) return say(`exai-shim ${describeVersion()}`);
    if (words.length > 0) throw noWords(words);
    return await serve(window);
  } catch (thrown) {
    return fail("exai-shim", thrown);
  }
}

async function readSettings(): Promise<WindowSettings> {
  const switches = SWITCHES.map(({ flag }) => flag);
  const window = await readWindowSettings({ programDir: programDir(), switches });
  const { settings } = window;
  // The daemon is started in another directory than this one.
  return settings.home ? { ...window, settings: { ...settings, home: resolve(settings.home) } } : window;
}

function noWords([word]: readonly string[]): ExaiError {
  return new ExaiError(
    "CONFIG",
    `${quoteName(word!)} means nothing to exai-shim, which takes flags only; --help lists them. ` +
      "Commands are those of exai-daemon, as exai-daemon ps",
  );
}

async function serve(window: WindowSettings): Promise<number> {
  const { settings } = window;
  const paths = statePaths(settings);
  registerSecret(settings.token);
  // The log is set up while the connection is made.
  const starting = startLogging({ program: "shim", settings, paths });
  logUnhandled();
  const ended = Promise.withResolvers<string>();
  const stdio = new ProcessStdio();
  const client: StdioPeer = new StdioPeer({ input: stdio, output: stdio }, {
    onMessage: (message, line) => bridge.handleMessage(message, line),
    onUnread: (request, line) => bridge.handleUnread(request, line),
    onMalformedResponse: (id, why) => bridge.handleMalformedResponse(id, why),
    backpressure: (): Promise<void> | undefined => bridge.backpressure(),
    onEnd: ended.resolve,
    revision: () => bridge.revision,
  });
  const bridge: Bridge = new Bridge(client, {
    ...settings,
    cwd: startDirectory(),
    window: { ...parentProcess(), ...(settings.window ? { id: settings.window } : {}) },
    advice: adviceFor(settings, paths),
    onDemand: () => dialer.connectSoon(),
  });
  const dialer: Dialer = new Dialer(
    new ShimDialing(window, { read: readSettings, logReady: starting }),
    bridge,
  );
  dialer.run();
  await client.start();
  await using _logging = await starting;
  const why = await Promise.race([ended.promise, stopSignal()]);
  log.info("{why}: the shim exits, the daemon keeps running", { why });
  if (why === STDIN_ENDED) await deadline(bridge.whenIdle(), LAST_ANSWERS_MS).catch(() => bridge.failAll());
  await deadline(client.flushed(), LAST_WRITE_MS).catch(() => {});
  await bridge.close(CLOSE_MS);
  return 0;
}

/** The directory the window was opened in; undefined when it is gone already. */
function startDirectory(): string | undefined {
  try {
    return Deno.cwd();
  } catch (thrown) {
    log.warning("the working directory cannot be read, so servers start without one: {reason}", {
      reason: messageOf(thrown),
    });
    return undefined;
  }
}

function adviceFor({ autostart, host }: Settings, paths: StatePaths): string {
  const log = `its log is in ${paths.logs}`;
  if (!isLocal(host)) return `It does not start a daemon on another machine: see that one runs there; ${log}`;
  return autostart
    ? `It starts the daemon by itself when it can; to see why it cannot, run exai-daemon in a terminal; ${log}`
    : `It was told not to start the daemon (EXAI_WS_AUTOSTART): run exai-daemon; ${log}`;
}

// An internal error must neither end the window's only connection to its tools nor reach stdout.
function logUnhandled(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unhandled: {reason}", { reason: event.reason });
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    log.error("uncaught: {error}", { error: event.error });
  });
}

async function help(): Promise<string> {
  const { formatHelp, settingsOf } = await import("../config/help.ts");
  return formatHelp({
    program: "exai-shim",
    usage: "[--flag=value ...]",
    about:
      "Connects one editor or agent window, which speaks MCP on stdin and stdout, to the EXAI daemon, and " +
      "starts the daemon if none runs. It is the command to give in an editor's MCP configuration.",
    settings: settingsOf("shim"),
    switches: SWITCHES,
  });
}
