import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Setting } from "./setting.ts";
import { ACCESS_SETTINGS } from "./settings/access.ts";
import { CALL_SETTINGS } from "./settings/calls.ts";
import { CONNECTION_SETTINGS } from "./settings/connections.ts";
import { FILE_SETTINGS } from "./settings/files.ts";
import { MODEL_CHOICE_SETTINGS } from "./settings/model_choice.ts";
import { MODEL_SETTINGS } from "./settings/models.ts";
import { MOUNTED_SERVER_SETTINGS } from "./settings/mounted_servers.ts";
import { SESSION_SETTINGS } from "./settings/sessions.ts";
import { SIGN_IN_SETTINGS } from "./settings/sign_in.ts";
import { SEARCH_MODES, TOOL_SETTINGS } from "./settings/tools.ts";
import { TRACING_SETTINGS } from "./settings/tracing.ts";

export type { JsonType, Program, Setting } from "./setting.ts";
export { SEARCH_MODES };

/** How much of the tools a window sees: a value of `EXAI_TOOL_SEARCH`. */
export type SearchMode = (typeof SEARCH_MODES)[number];

/** The settings by topic, in the order of `--help` and docs/settings.md. */
export const SETTING_TOPICS = {
  "Address and access": ACCESS_SETTINGS,
  "Connections": CONNECTION_SETTINGS,
  "Sessions": SESSION_SETTINGS,
  "Calls": CALL_SETTINGS,
  "Files, logs and records": FILE_SETTINGS,
  "Traces": TRACING_SETTINGS,
  "Mounted servers": MOUNTED_SERVER_SETTINGS,
  "Signing in and secrets": SIGN_IN_SETTINGS,
  "Tools": TOOL_SETTINGS,
  "Models": MODEL_SETTINGS,
  "Choice of models": MODEL_CHOICE_SETTINGS,
} as const satisfies Record<string, Record<string, Setting>>;

/** Every setting of both programs. */
export const SETTINGS = {
  ...ACCESS_SETTINGS,
  ...CONNECTION_SETTINGS,
  ...SESSION_SETTINGS,
  ...CALL_SETTINGS,
  ...FILE_SETTINGS,
  ...TRACING_SETTINGS,
  ...MOUNTED_SERVER_SETTINGS,
  ...SIGN_IN_SETTINGS,
  ...TOOL_SETTINGS,
  ...MODEL_SETTINGS,
  ...MODEL_CHOICE_SETTINGS,
} as const satisfies Record<string, Setting>;

/** The parsed settings: times in milliseconds, sizes in bytes. */
export type Settings = {
  -readonly [K in keyof typeof SETTINGS]: Exclude<ReturnType<(typeof SETTINGS)[K]["read"]>, undefined>;
};

/** How often `health.json` is written when nothing changes, in milliseconds. */
export const HEALTH_INTERVAL_MS = 10 * SECOND_MS;

/** How long the shim and `--if-not-running` wait for a daemon they know is starting, in milliseconds. */
export const DAEMON_START_TIMEOUT_MS = MINUTE_MS / 2;

/** Exit code of a daemon that a shim has started and that finds faults in `exai.json` (`EX_CONFIG` of sysexits.h). */
export const SETTINGS_EXIT_CODE = 78;
