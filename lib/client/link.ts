import type { JsonObject } from "../base/json.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import type { HelloAck } from "../wire/ops.ts";
import { connectToDaemon } from "./connect.ts";
import { isClosedByApplication, nextFrame, parseOpFrame } from "./frames.ts";
import { LinkError, type LinkTarget, type VerifiedConnection } from "./link_target.ts";

/** A connection whose hello the daemon has acknowledged. */
export interface Link {
  socket: ClientSocket;
  ack: HelloAck;
}

/**
 * Connects to the daemon and sends `hello`, with the proof of the token added.
 *
 * @throws {LinkError}
 */
export function openLink(target: LinkTarget, hello: JsonObject): Promise<Link> {
  return connectToDaemon(target, (connection) => sayHello(connection, hello));
}

/**
 * Sends `hello` on a verified connection.
 *
 * @throws {LinkError} `unauthorized`, `rejected`, or `unreachable` when the other end does not answer as a daemon
 */
export async function sayHello(
  { socket, dialed, proof }: VerifiedConnection,
  hello: JsonObject,
): Promise<Link> {
  const place = dialed.socket ?? dialed.url;
  // Nagle's algorithm, which nudges work around, is TCP's: a Unix socket has none.
  const overrides = dialed.socket === undefined ? {} : { nudge: false };
  socket.send(JSON.stringify({ op: "hello", ...(proof ? { proof } : {}), ...hello, ...overrides }));
  const answer = await nextFrame(socket, dialed.timeoutMs);
  const ack = parseOpFrame(answer, "hello_ack");
  if (ack?.ok === true) return { socket, ack: ack as unknown as HelloAck };
  socket.drop("no use of it");
  const isUnauthorized = ack
    // A code of the protocol (docs/protocol.md), though its field is called `error`.
    ? ack.error === "unauthorized"
    : answer.kind === "closed" && answer.code === CLOSE.unauthorized;
  if (isUnauthorized) throw new LinkError("unauthorized", `the daemon at ${place} does not accept our token`);
  const refusal = ack ? String(ack.error) : isClosedByApplication(answer) && answer.why;
  if (refusal) throw new LinkError("rejected", `the daemon at ${place} refuses us: ${refusal}`);
  const said = answer.kind === "frame" ? "its first frame is no hello_ack" : answer.why;
  throw new LinkError("unreachable", `what answers at ${place} is no EXAI daemon: ${said}`);
}
