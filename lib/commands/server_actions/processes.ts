import type { ServerActionAnswer } from "../../admin/server_actions.ts";
import { UsageError } from "../../base/errors.ts";
import { counted } from "../../base/text.ts";
import { HOUR_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { askDaemon } from "../../client/daemon_client.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { MAX_ERROR_CHARS } from "../table.ts";

/** The daemon bounds each by the server's own limits; this only ends a wait for a daemon that hangs. */
const LIMIT_MS = HOUR_MS;

const KEY = {
  name: "key",
  value: "KEY",
  help: "Only the process with this share key, as ps shows it; every process of the server when not given",
};

const EXITS = { 1: "there is no such server or process, or one could not be ended or started" };

export const restartServer: Action = {
  summary: "End the processes of a server once their calls have ended, and start them again",
  forms: [{
    args: "NAME",
    does:
      "lets calls go on for 30 s at most, then starts a new process; a call that comes meanwhile starts it sooner",
  }],
  flags: [KEY],
  exits: EXITS,
  run: (invocation) => act("restart", invocation),
};

export const parkServer: Action = {
  summary: "End the processes of a server once they are idle; the next call starts one",
  forms: [{
    args: "NAME",
    does: "lets calls that run end, however long they take; subscriptions wait for the next start",
  }],
  flags: [KEY],
  exits: EXITS,
  run: (invocation) => act("park", invocation),
};

export const stopServer: Action = {
  summary: "End the processes of a server now; calls that run there fail",
  forms: [{
    args: "NAME",
    does: "ends processes with all they started; a later call starts one, a subscription does not",
  }],
  flags: [KEY],
  exits: EXITS,
  run: (invocation) => act("stop", invocation),
};

async function act(what: "restart" | "park" | "stop", invocation: Invocation): Promise<CommandResult> {
  const { args: [name], options, settings, usage, progress } = invocation;
  if (name === undefined) throw new UsageError(`it is not said which server; usage: ${usage}`);
  const key = options.get("key")?.at(-1);
  const query = new URLSearchParams({ name, ...(key === undefined ? {} : { key }) });
  progress.step(`waiting for ${name}`);
  const answer = await askDaemon(
    settings,
    `/servers/${what}?${query}`,
    "POST",
    LIMIT_MS,
  ) as ServerActionAnswer;
  const { ended, started, failed } = answer;
  const lines = [
    ...ended.map((row) =>
      `${nameOf(name, row)} ${what === "park" ? "ends once idle" : "ended"}, for ${
        counted(row.sessions.length, "session")
      }`
    ),
    ...(ended.length === 0 ? [`${name} did not run`] : []),
    ...started.map((row) => `${nameOf(name, row)} started`),
    ...failed.map((why) => `failed: ${why}`),
  ];
  const text = lines.map((line) => visible(line, MAX_ERROR_CHARS)).join("\n");
  return { text, json: answer, code: failed.length > 0 ? 1 : 0 };
}

function nameOf(server: string, { pid, share_key }: ServerActionAnswer["ended"][number]): string {
  return pid === undefined ? `${server} (key ${share_key})` : `${server} (process ${pid})`;
}
