import { askDaemon } from "../client/daemon_client.ts";
import { ensureDaemon } from "../client/daemon_session.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { describeStopped, STOP_FLAGS, stopOptions, stoppedJson } from "./stop.ts";
import { stopDaemon } from "./stop_daemon.ts";

export const restartCommand: Action = {
  summary: "Stop the daemon and start it again in the background",
  about: [
    "The new daemon reads exai.json and the settings of this command; flags that the old one was started with " +
    "by hand are not known to it. Windows connect again by themselves; a call that runs may end first.",
  ],
  forms: [{
    args: "",
    does: "stops the daemon, if one runs, and starts one in the background, as a window does",
  }],
  flags: STOP_FLAGS,
  exits: {
    0: "a new daemon answers",
    1: "the old one has not ended in time",
    3: "the new one cannot be started",
  },
  run: restart,
};

async function restart(invocation: Invocation): Promise<CommandResult> {
  const { settings, own, progress } = invocation;
  const stopped = await stopDaemon(settings, stopOptions(invocation));
  progress.step("waiting for the new daemon to answer");
  await ensureDaemon({ settings: { ...settings, autostart: true }, own });
  const { pid, version, address } = await askDaemon(settings, "/health");
  const text = [
    stopped === undefined ? "No daemon ran." : describeStopped({ ...stopped, successor: undefined }),
    `EXAI ${version} runs at ${address} (process ${pid}).`,
  ].join("\n");
  return { text, json: { stopped: stopped ? stoppedJson(stopped) : null, pid, version, address } };
}
