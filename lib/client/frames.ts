import { isObject, type JsonObject } from "../base/json.ts";
import { readRequestId } from "../wire/rpc.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";

/** What happened next on a connection; `why` says it in words. */
export type NextFrame =
  | { kind: "frame"; text: string }
  | { kind: "closed"; code: number; why: string }
  | { kind: "timeout"; why: string };

/** Waits for the next frame, the end of the connection, or the timeout. */
export async function nextFrame(socket: ClientSocket, timeoutMs: number): Promise<NextFrame> {
  const { promise, resolve } = Promise.withResolvers<NextFrame>();
  const why = `no answer within ${timeoutMs} ms`;
  const timer = setTimeout(() => resolve({ kind: "timeout", why }), timeoutMs);
  socket.closed.then(({ code, reason }) =>
    resolve({ kind: "closed", code, why: `closed with ${code} ${reason}`.trimEnd() })
  );
  socket.onframe = (text) => {
    // The socket buffers later frames until the next handler is set.
    socket.onframe = undefined;
    resolve({ kind: "frame", text });
  };
  const next = await promise;
  clearTimeout(timer);
  return next;
}

/** The frame when it holds the EXAI op `op`. */
export function parseOpFrame(next: NextFrame, op: string): JsonObject | undefined {
  if (next.kind !== "frame") return undefined;
  const frame = parseObject(next.text, exactInteger);
  return frame?.op === op ? frame : undefined;
}

/**
 * The JSON object in `text`; undefined when it is something else.
 *
 * @example
 * ```ts
 * import { parseObject } from "./frames.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseObject('{"op":"nudge"}'), { op: "nudge" });
 * assertEquals(parseObject("[]"), undefined);
 * assertEquals(parseObject("{"), undefined);
 * ```
 */
export function parseObject(text: string, reviver?: typeof exactInteger): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1]);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps an id that a double cannot hold as a bigint (TC39, JSON.parse source text access). */
function exactInteger(_: string, value: unknown, { source = "" }: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  return readRequestId(source) ?? value;
}

/** Whether the connection was closed with a code of the application's range, which a daemon uses (RFC 6455, 7.4.2). */
export function isClosedByApplication(next: NextFrame): next is NextFrame & { kind: "closed" } {
  return next.kind === "closed" && next.code >= 4000 && next.code < 5000;
}
