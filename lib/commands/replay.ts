import { UsageError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import type { Action, Invocation } from "./command.ts";

const SPEEDS = ["0", "real"] as const;

export const replayCommand: Action = {
  summary: "Play an exported session back, as an MCP server on stdin and stdout",
  about: [
    "It answers as the session was answered: its capabilities and lists, its calls by method and params, each as often " +
    "as it was made. What was not recorded is an error that says what was. It needs no daemon, and may be an entry of " +
    "mcp.json or of an editor's configuration.",
  ],
  forms: [{
    args: "FILE [--session ID] [--speed 0|real]",
    does: "plays back a session of a file of `exai-daemon calls export`",
  }],
  flags: [
    { name: "session", value: "ID", help: "The session, or the beginning of its id, where FILE has several" },
    {
      name: "speed",
      value: "0|real",
      completions: SPEEDS,
      help: "0: answer at once, which is the default; real: take as long as it took",
    },
  ],
  exits: { 0: "the client has closed its end", 1: "FILE cannot be replayed" },
  run: replay,
};

/**
 * @throws {UsageError} for a speed that there is not
 * @throws {ExaiError} `CONFIG`, `RESOURCE_NOT_FOUND`, `INVALID_PARAMS` as `readRecording`
 */
async function replay({ args: [path], options, usage, progress }: Invocation): Promise<string> {
  if (path === undefined) throw new UsageError(`replay needs a file of exai-daemon calls export; ${usage}`);
  const given = options.get("speed")?.at(-1) ?? "0";
  const speed = SPEEDS.find((speed) => speed === given);
  if (speed === undefined) {
    throw new UsageError(`--speed is ${quoteName(given)}; allowed: ${SPEEDS.join(", ")}`);
  }
  // Loaded late: no other command serves MCP.
  const [{ readRecording }, { serveRecording }] = await Promise.all([
    import("../replay/recording.ts"),
    import("../replay/serve.ts"),
  ]);
  progress.step(`reading ${path}`);
  const recording = await readRecording(path, { session: options.get("session")?.at(-1) });
  progress.end();
  await serveRecording(recording, { speed });
  return "";
}
