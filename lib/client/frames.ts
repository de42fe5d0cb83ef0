import { isObject, type JsonObject } from "../base/json.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";

/** What came next on a connection. */
export interface NextFrame {
  text?: string;
  /** Close code, when the connection was closed in place of an answer. */
  code?: number;
  /** Why there is no text. */
  why?: string;
}

/** The next frame, or the end of the connection, or the end of the time. */
export async function nextFrame(socket: ClientSocket, timeoutMs: number): Promise<NextFrame> {
  const { promise, resolve } = Promise.withResolvers<NextFrame>();
  const why = `no answer within ${timeoutMs} ms`;
  const timer = setTimeout(() => resolve({ why }), timeoutMs);
  socket.closed.then(({ code, reason }) => resolve({ code, why: `closed with ${code} ${reason}`.trimEnd() }));
  socket.onframe = (text) => {
    // What follows the answer waits for whoever takes the connection.
    socket.onframe = undefined;
    resolve({ text });
  };
  const answer = await promise;
  clearTimeout(timer);
  return answer;
}

/** The frame that `text` holds, if it is the op named. */
export function parseOpFrame(text: string | undefined, op: string): JsonObject | undefined {
  try {
    const frame: unknown = JSON.parse(String(text));
    return isObject(frame) && frame.op === op ? frame : undefined;
  } catch {
    // Nothing came, or no JSON.
  }
}

/** Whether a close code is one a daemon chose: the range WebSocket leaves to applications (RFC 6455, 7.4.2). */
export function isApplicationCode(code = 0): boolean {
  return code >= 4000 && code < 5000;
}
