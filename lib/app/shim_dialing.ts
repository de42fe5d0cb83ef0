import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Release } from "../base/release.ts";
import { COMMITTED_AT, VERSION } from "../base/version.ts";
import { locateDaemon } from "../client/address.ts";
import { isLocal } from "../client/daemon_url.ts";
import { type Link, openLink } from "../client/link.ts";
import type { LinkError } from "../client/link_target.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import type { SettingName } from "../config/setting_keys.ts";
import { adviceOnUnused } from "../config/unused_settings.ts";
import { stampOf, type WindowSettings } from "../config/window_settings.ts";
import type { DaemonStarter } from "../client/autostart.ts";
import type { Dialing } from "../shim/dialer.ts";
import { settingsOffer } from "../shim/settings_offer.ts";

const log = getLogger(["exai", "shim"]);

interface ShimDialingOptions {
  /** Reads the settings again: `exai.json` may have changed. */
  read(): Promise<WindowSettings>;
  /** Settles when the log is set up, which runs beside the first attempt to connect. */
  logReady: Promise<unknown>;
}

/** How a shim gets a link to the daemon, by the settings in force at each attempt. */
export class ShimDialing implements Dialing {
  readonly start: Dialing["start"];
  readonly #options: ShimDialingOptions;
  #window: WindowSettings;
  /** Of the files the settings were read from. */
  #stamp: string;
  #starter: DaemonStarter | undefined;
  /** The process that the daemon beside this shim was started to take the place of. */
  #offeredFor: number | undefined;
  /** What was logged last. */
  #told = "";

  constructor(window: WindowSettings, options: ShimDialingOptions) {
    this.#window = window;
    this.#options = options;
    this.#stamp = stampOf(window);
    const { autostart, host } = window.settings;
    if (autostart && isLocal(host)) this.start = (connect, why) => this.#start(connect, why);
  }

  async connect(hello: JsonObject): Promise<Link> {
    const { logReady } = this.#options;
    try {
      await this.#refresh();
      const { settings, own } = this.#window;
      const target = await locateDaemon(settings, this.#paths);
      const link = await openLink({ ...target, logReady }, {
        ...hello,
        ...await settingsOffer(settings, own),
      });
      await logReady;
      this.#reportUnused(link);
      this.#offerSuccessor(link);
      return link;
    } finally {
      // The outcome is logged.
      await logReady;
    }
  }

  /** Reads the settings again when their files have changed. */
  async #refresh(): Promise<void> {
    const stamp = stampOf(this.#window);
    if (stamp === this.#stamp) return;
    this.#window = await this.#options.read();
    this.#stamp = stamp;
    // What kept the daemon from starting may have been corrected: the next attempt is not one of a series.
    this.#starter = undefined;
  }

  get #paths(): StatePaths {
    return statePaths(this.#window.settings);
  }

  async #start(connect: () => Promise<Link>, why: LinkError): Promise<Link> {
    if (this.#starter === undefined) {
      // Most windows find a daemon that runs.
      const [{ DaemonStarter }, { daemonEnvironment }] = await Promise.all([
        import("../client/autostart.ts"),
        import("../config/daemon_environment.ts"),
      ]);
      const { settings, own } = this.#window;
      this.#starter ??= new DaemonStarter(daemonEnvironment(settings, own), this.#paths);
    }
    return await this.#starter.start(connect, { isOccupied: why.fault === "occupied" });
  }

  /** Has the daemon beside this shim take the place of an older one, once for each of those: it may be unable to. */
  #offerSuccessor({ ack: { daemon } }: Link): void {
    const isSame = daemon.version === VERSION && (daemon.committed_at ?? "") === COMMITTED_AT;
    if (isSame || !daemon.hands_over || !this.start || this.#offeredFor === daemon.pid) return;
    this.#offeredFor = daemon.pid;
    startNewer({ version: daemon.version, committedAt: daemon.committed_at }, this.#window).catch((thrown) =>
      log.warning("the daemon beside this shim cannot take over: {why}", { why: messageOf(thrown) })
    );
  }

  /** Reports once on stderr which settings of this window the daemon does not use; the daemon tells the client. */
  #reportUnused({ ack }: Link): void {
    const { own, path } = this.#window;
    const names = (ack.unused_settings ?? []).filter((name): name is SettingName =>
      own.has(name as SettingName)
    );
    const { cause, advice } = adviceOnUnused(names, path, own);
    const told = names.length === 0 ? "" : `${cause}; ${advice}`;
    if (told !== "" && told !== this.#told) log.warning("{told}", { told });
    this.#told = told;
  }
}

async function startNewer(running: Release, { settings, own }: WindowSettings): Promise<void> {
  // Most windows find a daemon of their own version.
  const [{ startSuccessor }, { daemonEnvironment }] = await Promise.all([
    import("../client/successor.ts"),
    import("../config/daemon_environment.ts"),
  ]);
  await startSuccessor(running, {
    environment: daemonEnvironment(settings, own),
    paths: statePaths(settings),
  });
}
