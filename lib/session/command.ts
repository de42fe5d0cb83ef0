import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { KIB, MIB } from "../base/units.ts";
import type { FrameChannel } from "../transport/channel.ts";
import { CLOSE } from "../wire/codes.ts";
import type { CommandOp, OpReply } from "../wire/ops.ts";

const log = getLogger(["exai", "session"]);

interface AskedCommand {
  method: string;
  path: string;
  /** The token it has proved to know; undefined where none is needed. */
  token: string | undefined;
  /** Whether it comes on behalf of the daemon's own user. */
  isOwner: boolean;
}

/** What a command needs of the daemon. */
export interface CommandHooks {
  /** Answers what would be the same request over HTTP. Never throws. */
  command(command: AskedCommand): Promise<Response>;
}

const NORMAL_CLOSURE = 1000;

/** A long answer goes out in parts of so many characters, and no faster than it is read. */
const PART_CHARS = 256 * KIB;
const MAX_UNREAD_BYTES = 4 * MIB;
const READ_PAUSE_MS = 5;

/** Answers one request of a command (docs/protocol.md) and ends its connection. There is no session. */
export async function answerCommand(
  channel: FrameChannel,
  { method, path }: CommandOp,
  { hooks, ...by }: { hooks: CommandHooks } & Pick<AskedCommand, "token" | "isOwner">,
): Promise<void> {
  const gone = new AbortController();
  channel.onclose = () => gone.abort();
  // It has been heard, and nothing else is expected.
  channel.onbadframe = undefined;
  const say = (reply: OpReply) => channel.send(JSON.stringify(reply));
  const response = await hooks.command({ method, path, ...by });
  say({ op: "response", status: response.status });
  const body = response.body?.pipeThrough(new TextDecoderStream()) ?? ReadableStream.from([]);
  try {
    await body.pipeTo(new WritableStream({ write: (text) => sendParts(channel, text, gone.signal) }), {
      signal: gone.signal,
    });
    say({ op: "response_end" });
    channel.close(NORMAL_CLOSURE, "answered");
  } catch (thrown) {
    if (gone.signal.aborted) return;
    log.error("a command could not be answered: {thrown}", { thrown });
    channel.close(CLOSE.internal, "internal error");
  }
}

async function sendParts(channel: FrameChannel, text: string, gone: AbortSignal): Promise<void> {
  for (let at = 0; at < text.length; at += PART_CHARS) {
    while (channel.queuedBytes > MAX_UNREAD_BYTES) await delay(READ_PAUSE_MS, { signal: gone });
    const part = { op: "response_part", text: text.slice(at, at + PART_CHARS) } satisfies OpReply;
    channel.send(JSON.stringify(part));
  }
}
