import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { KIB, MIB } from "../base/units.ts";
import type { FrameChannel } from "../transport/channel.ts";
import { CLOSE } from "../wire/codes.ts";
import type { CommandOp, OpReply } from "../wire/ops.ts";

const log = getLogger(["exai", "session"]);

interface AskedCommand {
  /** HTTP method. */
  method: string;
  path: string;
  body?: string;
  /** The token the client has proved to know; undefined where none is used. */
  token: string | undefined;
  /** Whether the client is the daemon's own user. */
  isOwner: boolean;
}

/** What a command's connection needs of the daemon. */
export interface CommandHooks {
  /** Answers as the same request over HTTP would be. Never throws. */
  command(command: AskedCommand): Promise<Response>;
}

const NORMAL_CLOSURE = 1000;

/** Characters sent in one frame. */
const PART_CHARS = 256 * KIB;
/** Sending pauses while the client has more than this unread. */
const MAX_UNREAD_BYTES = 4 * MIB;
const UNREAD_POLL_MS = 5;

/** Answers the one request of a command's connection (docs/protocol.md), without a session, and closes it. */
export async function answerCommand(
  channel: FrameChannel,
  { method, path, body: given }: CommandOp,
  { hooks, ...by }: { hooks: CommandHooks } & Pick<AskedCommand, "token" | "isOwner">,
): Promise<void> {
  const closed = new AbortController();
  channel.onclose = () => closed.abort();
  // Frames after the request are ignored.
  channel.onbadframe = undefined;
  const send = (reply: OpReply) => channel.send(JSON.stringify(reply));
  const response = await hooks.command({ method, path, body: given, ...by });
  send({ op: "response", status: response.status });
  const body = response.body?.pipeThrough(new TextDecoderStream()) ?? ReadableStream.from([]);
  try {
    await body.pipeTo(new WritableStream({ write: (text) => sendParts(channel, text, closed.signal) }), {
      signal: closed.signal,
    });
    send({ op: "response_end" });
    channel.close(NORMAL_CLOSURE, "answered");
  } catch (thrown) {
    if (closed.signal.aborted) return;
    log.error("a command could not be answered: {thrown}", { thrown });
    channel.close(CLOSE.internal, "internal error");
  }
}

async function sendParts(channel: FrameChannel, text: string, closed: AbortSignal): Promise<void> {
  for (let at = 0; at < text.length; at += PART_CHARS) {
    while (channel.queuedBytes > MAX_UNREAD_BYTES) await delay(UNREAD_POLL_MS, { signal: closed });
    const part = { op: "response_part", text: text.slice(at, at + PART_CHARS) } satisfies OpReply;
    channel.send(JSON.stringify(part));
  }
}
