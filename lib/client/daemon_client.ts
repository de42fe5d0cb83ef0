import { type ErrorCode, ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { LineSplitter } from "../base/line_splitter.ts";
import { statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";
import { locateDaemon } from "./address.ts";
import { connectToDaemon } from "./connect.ts";
import { parseObject } from "./frames.ts";
import { isNoDaemon, LinkError, type VerifiedConnection } from "./link_target.ts";

/** Time for a running daemon to answer a command. */
const TIMEOUT_MS = 10_000;

const OK = 200;
const NORMAL_CLOSURE = 1000;

interface DaemonRequest {
  method: string;
  body?: string;
  timeoutMs: number;
}

/** A response whose status has arrived. */
interface DaemonAnswer extends Disposable {
  status: number;
  /** The body, in chunks as they arrive. */
  parts: AsyncIterable<string>;
  /** The address or socket it comes from. */
  place: string;
  /** The body may last as long as the daemon runs. */
  disableTimeout(): void;
}

/**
 * Sends one request to the running daemon, once it has proved that it is the user's. The token itself is not sent.
 *
 * @returns the JSON body of the response
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when none answers or it refuses; `RESOURCE_NOT_FOUND`, `INVALID_PARAMS`,
 * `UPSTREAM_UNAVAILABLE` and `LOGIN_REQUIRED` are the daemon's own
 */
export async function askDaemon(
  settings: Settings,
  path: string,
  method = "GET",
  timeoutMs = TIMEOUT_MS,
): Promise<JsonObject> {
  return await askWith(settings, path, { method, timeoutMs });
}

/** As {@linkcode askDaemon}, with a body: for what may be in no path, as that of a request is written down by many. */
export async function postToDaemon(
  settings: Settings,
  path: string,
  { body, timeoutMs = TIMEOUT_MS }: { body: string; timeoutMs?: number },
): Promise<JsonObject> {
  return await askWith(settings, path, { method: "POST", body, timeoutMs });
}

async function askWith(settings: Settings, path: string, request: DaemonRequest): Promise<JsonObject> {
  using answer = await ask(settings, path, request);
  const body = await bodyOf(answer);
  if (answer.status === OK && body) return body;
  throw refusal(body, answer);
}

/**
 * Streams the lines the running daemon sends for `path`, until it stops or `signal` aborts.
 *
 * @throws {ExaiError} as {@linkcode askDaemon}
 */
export async function* followDaemon(
  settings: Settings,
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  using answer = await ask(settings, path, { method: "GET", timeoutMs: TIMEOUT_MS });
  if (answer.status !== OK) throw refusal(await bodyOf(answer), answer);
  answer.disableTimeout();
  const close = () => answer[Symbol.dispose]();
  if (signal?.aborted) return;
  signal?.addEventListener("abort", close);
  const lines = new LineSplitter();
  for await (const part of answer.parts) {
    for (const line of lines.take(part)) if (line !== "") yield line;
  }
}

/** Whether anything listens where the settings say the daemon is. */
export async function isDaemonRunning(settings: Settings): Promise<boolean> {
  try {
    const { socket } = await connect(settings);
    socket.close(NORMAL_CLOSURE);
    return true;
  } catch (thrown) {
    return !(thrown instanceof LinkError && isNoDaemon(thrown));
  }
}

async function ask(
  settings: Settings,
  path: string,
  { timeoutMs, ...request }: DaemonRequest,
): Promise<DaemonAnswer> {
  const { socket, dialed, proof } = await connect(settings).catch((thrown) => {
    throw unavailable(thrown);
  });
  const place = dialed.socket ?? dialed.url;
  const timer = setTimeout(() => socket.drop(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
  const frames = framesOf(socket);
  let isEndless = false;
  const end = () => {
    clearTimeout(timer);
    socket.close(NORMAL_CLOSURE);
  };
  try {
    socket.send(JSON.stringify({ op: "request", path, ...request, ...(proof ? { proof } : {}) }));
    const { value: head, done } = await frames.next();
    if (done) return await throwClosed(socket, place);
    if (head.op !== "response") throw unexpected(place, head);
    return {
      status: Number(head.status),
      // An endless body ends when the daemon does, without `response_end`.
      parts: partsOf(frames, async () => isEndless || await throwClosed(socket, place)),
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

async function connect(settings: Settings): Promise<VerifiedConnection> {
  // The request is sent after this, so that it is never sent on two connections.
  return await connectToDaemon(
    await locateDaemon(settings, statePaths(settings)),
    (connection) => Promise.resolve(connection),
  );
}

/** The frames of a connection until it ends. */
async function* framesOf(socket: ClientSocket): AsyncGenerator<JsonObject, undefined> {
  let isCancelled = false;
  const stream = new ReadableStream<string>({
    start(controller) {
      socket.onframe = (text) => isCancelled || controller.enqueue(text);
      socket.closed.then(() => isCancelled || controller.close());
    },
    cancel() {
      isCancelled = true;
    },
  });
  for await (const text of stream) yield parseObject(text) ?? {};
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

async function throwClosed(socket: ClientSocket, place: string): Promise<never> {
  const { code, reason } = await socket.closed;
  const why = `the connection ended with ${code} ${reason}`.trimEnd();
  throw new ExaiError("DAEMON_UNAVAILABLE", `the daemon at ${place} has not answered: ${why}`);
}

async function bodyOf({ parts }: DaemonAnswer): Promise<JsonObject | undefined> {
  return parseObject((await Array.fromAsync(parts)).join(""));
}

/** Errors about the request, or about a server it is for, rather than the daemon. */
const REQUEST_ERRORS: readonly string[] = [
  "RESOURCE_NOT_FOUND",
  "INVALID_PARAMS",
  "UPSTREAM_UNAVAILABLE",
  "LOGIN_REQUIRED",
];

function refusal(body: JsonObject | undefined, { status, place }: DaemonAnswer): ExaiError {
  const error = isObject(body?.error) ? body.error : {};
  if (REQUEST_ERRORS.includes(String(error.code))) {
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
  const hint = thrown instanceof LinkError && isNoDaemon(thrown)
    ? "; start one with exai-daemon, or set EXAI_WS_PORT or EXAI_HOME to where it runs"
    : "";
  return new ExaiError("DAEMON_UNAVAILABLE", messageOf(thrown) + hint, { cause: thrown });
}
