import { EventEmitter } from "node:events";
import type { Settings } from "../config/settings.ts";
import type { ToolSets } from "../router/tool_set.ts";
import type { Caller } from "../call/call.ts";
import type { Tool } from "../tool/tool.ts";
import type { ProcessEventListener } from "../upstream/process_records.ts";

interface DaemonEventMap {
  /** Something that the health report shows has changed. */
  healthChanged: [];
  /** A list of some server has changed. */
  listsChanged: [];
  /** The servers of these names were added, removed or changed. */
  serversChanged: [names: readonly string[]];
  /** Something has happened to a process of a server. */
  processEvent: Parameters<ProcessEventListener>;
  /** The configuration of the servers was read, and holds something new. */
  configurationRead: [];
  /** Which tools each client sees has changed. */
  toolSetsChanged: [change: { before: ToolSets; now: ToolSets }];
  /** The tools the user has written have changed. */
  userToolsChanged: [tools: readonly Tool[]];
  /** Settings have changed that a running daemon takes over. */
  settingsChanged: [settings: Settings];
  /** The configuration of the models has changed. */
  modelsChanged: [];
  /** A session has ended. */
  sessionEnded: [session: Caller];
  /** A session has ended, or a part of one that its requests do not belong to any more. */
  callerEnded: [caller: Caller];
}

/** Events between the parts of one daemon. Listeners are called at once, in the order they were added. */
export class DaemonEvents extends EventEmitter<DaemonEventMap> {}
