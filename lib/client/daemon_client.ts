import { type ErrorCode, ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { locateDaemon } from "./address.ts";
import { LinkError } from "./link_target.ts";
import { connectToDaemon, type VerifiedConnection } from "./connect.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";

/** How long a running daemon may take to answer a command. */
const TIMEOUT_MS = 10_000;

const OK = 200;
const NORMAL_CLOSURE = 1000;

/** An answer that has begun. */
interface DaemonAnswer extends Disposable {
  status: number;
  /** What it holds, in parts as they come. */
  parts: AsyncIterable<string>;
  /** Who answers. */
  place: string;
  /** It goes on for as long as the daemon does. */
  disableTimeout(): void;
}

/**
 * Asks the running daemon for `path`, once it has proved that it is ours. The token itself is not sent.
 *
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when none answers; what the daemon itself says is wrong
 */
export async function askDaemon(settings: Settings, path: string, method = "GET"): Promise<JsonObject> {
  using answer = await ask(settings, path, method);
  const body = await bodyOf(answer);
  if (answer.status === OK && body) return body;
  throw refusal(body, answer);
}

/**
 * The lines the running daemon sends for `path`, as they come, until it stops.
 *
 * @throws {ExaiError} as {@linkcode askDaemon}
 */
export async function* followDaemon(settings: Settings, path: string): AsyncGenerator<string> {
  using answer = await ask(settings, path, "GET");
  if (answer.status !== OK) throw refusal(await bodyOf(answer), answer);
  answer.disableTimeout();
  let rest = "";
  for await (const part of answer.parts) {
    const lines = (rest + part).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line !== "") yield line;
  }
}

/** Whether anybody answers where the settings say the daemon is, whatever the answer. */
export async function isDaemonRunning(settings: Settings): Promise<boolean> {
  try {
    const { socket } = await reach(settings);
    socket.close(NORMAL_CLOSURE);
    return true;
  } catch (thrown) {
    return !(thrown instanceof LinkError && thrown.fault === "refused");
  }
}

async function ask(settings: Settings, path: string, method: string): Promise<DaemonAnswer> {
  const { socket, dialed: way, proof } = await reach(settings).catch((thrown) => {
    throw unavailable(thrown);
  });
  const place = way.socket ?? way.url;
  const timer = setTimeout(() => socket.drop(`no answer within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
  const frames = framesOf(socket);
  let isEndless = false;
  const end = () => {
    clearTimeout(timer);
    socket.close(NORMAL_CLOSURE);
  };
  try {
    socket.send(JSON.stringify({ op: "request", method, path, ...(proof ? { proof } : {}) }));
    const { value: head, done } = await frames.next();
    if (done) return await cutOff(socket, place);
    if (head.op !== "response") throw unexpected(place, head);
    return {
      status: Number(head.status),
      // What goes on for as long as the daemon does ends with it, without an end of its own.
      parts: partsOf(frames, async () => isEndless || await cutOff(socket, place)),
      place,
      disableTimeout() {
        isEndless = true;
        clearTimeout(timer);
      },
      [Symbol.dispose]: end,
    };
  } catch (thrown) {
    end();
    throw thrown;
  }
}

async function reach(settings: Settings): Promise<VerifiedConnection> {
  // Only a way that cannot be opened is given up for the next one: what was asked once is not asked again.
  return await connectToDaemon(
    await locateDaemon(settings, statePaths(settings)),
    (reached) => Promise.resolve(reached),
  );
}

/** The frames of a connection until it ends, however it does. */
async function* framesOf(socket: ClientSocket): AsyncGenerator<JsonObject, undefined> {
  let over = false;
  const stream = new ReadableStream<string>({
    start(controller) {
      socket.onframe = (text) => over || controller.enqueue(text);
      socket.closed.then(() => over || controller.close());
    },
    cancel() {
      over = true;
    },
  });
  for await (const text of stream) yield parse(text) ?? {};
}

async function* partsOf(
  frames: AsyncIterable<JsonObject>,
  onCut: () => Promise<unknown>,
): AsyncGenerator<string> {
  for await (const frame of frames) {
    if (frame.op === "response_end") return;
    if (frame.op === "response_part") yield String(frame.text);
  }
  await onCut();
}

async function cutOff(socket: ClientSocket, place: string): Promise<never> {
  const { code, reason } = await socket.closed;
  const why = `the connection ended with ${code} ${reason}`.trimEnd();
  throw new ExaiError("DAEMON_UNAVAILABLE", `the daemon at ${place} has not answered: ${why}`);
}

async function bodyOf({ parts }: DaemonAnswer): Promise<JsonObject | undefined> {
  return parse((await Array.fromAsync(parts)).join(""));
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Errors about what was asked for, not about the daemon. */
const ABOUT_REQUEST: readonly string[] = ["RESOURCE_NOT_FOUND", "INVALID_PARAMS"];

function refusal(body: JsonObject | undefined, { status, place }: DaemonAnswer): ExaiError {
  const error = isObject(body?.error) ? body.error : {};
  if (ABOUT_REQUEST.includes(String(error.code))) {
    return new ExaiError(error.code as ErrorCode, String(error.message));
  }
  const why = error.message ?? `status ${status}`;
  return new ExaiError("DAEMON_UNAVAILABLE", `the daemon at ${place} refused: ${why}`);
}

function unexpected(place: string, frame: JsonObject): ExaiError {
  const why = frame.op === "hello_ack" && typeof frame.error === "string"
    ? `the daemon at ${place} refused: ${frame.error}; give it and this command the same EXAI_WS_TOKEN`
    : `what answers at ${place} is no EXAI daemon of this version`;
  return new ExaiError("DAEMON_UNAVAILABLE", why);
}

function unavailable(thrown: unknown): ExaiError {
  if (thrown instanceof ExaiError) return thrown;
  const isNobody = thrown instanceof LinkError && thrown.fault === "refused";
  const hint = isNobody
    ? "; start one with exai-daemon, or set EXAI_WS_PORT or EXAI_HOME to where it runs"
    : "";
  return new ExaiError("DAEMON_UNAVAILABLE", messageOf(thrown) + hint, { cause: thrown });
}
