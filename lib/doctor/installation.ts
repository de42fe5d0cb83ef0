import type { JsonObject } from "../base/json.ts";
import type { Release } from "../base/release.ts";
import type { ClientPlaces } from "../config/client_places.ts";
import type { SettingsFaults } from "../config/program_settings.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";

/** How long a server may take to answer when nothing is said, in seconds. */
export const WAIT_S = 15;

/** What the checks look at, and what several of them need to know. */
export interface Installation extends SettingsFaults {
  settings: Settings;
  paths: StatePaths;
  /** Where the clients of this user keep their files. */
  places: ClientPlaces;
  /** The environment of this process. */
  env: Readonly<Record<string, string>>;
  /** What the user's login shell says its environment is; undefined when it says nothing. It is asked once. */
  login(): Promise<Readonly<Record<string, string>> | undefined>;
  daemon: Promise<DaemonState>;
  /** How long a server may take to answer, in milliseconds. */
  waitMs: number;
  /** Starts no server and no login shell unless it must, and connects to nothing but the daemon. */
  isQuick: boolean;
}

/** How the daemon of the state directory stands. */
export type DaemonState =
  | RunningDaemonState
  /** It holds the state directory and does not answer. */
  | { is: "silent"; pid?: number; why: string }
  /** It holds the state directory and does not let us in. */
  | { is: "refusing"; pid?: number; why: string }
  /** No process holds the state directory. */
  | { is: "stopped"; listener?: ForeignListener };

/** What answers at the address of a daemon that does not run. */
export interface ForeignListener {
  /** The daemon of another state directory, or another program. */
  is: "daemon" | "program";
  what: string;
}

/** A daemon of the state directory that answers. */
export interface RunningDaemonState {
  is: "running";
  pid: number;
  release: Release;
  /** Whether it ends by itself for a newer one that a window starts. */
  handsOver: boolean;
  health: JsonObject;
}
