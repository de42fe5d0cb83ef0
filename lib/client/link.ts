import type { JsonObject } from "../base/json.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import type { HelloAck } from "../wire/ops.ts";
import { isApplicationCode, nextFrame, parseOpFrame } from "./frames.ts";
import { LinkError } from "./link_target.ts";
import { connectToDaemon, type LinkTarget, type VerifiedConnection } from "./connect.ts";

/** A connection on which the daemon has said welcome. */
export interface Link {
  socket: ClientSocket;
  ack: HelloAck;
}

/**
 * Connects to the daemon and says `hello`, to which the proof of the token is added. Whatever is wrong with the socket,
 * the address is tried after it.
 *
 * @throws {LinkError}
 */
export function openLink(target: LinkTarget, hello: JsonObject): Promise<Link> {
  return connectToDaemon(target, (reached) => sayHello(reached, hello));
}

/**
 * Says `hello` on a connection whose other end has proved itself.
 *
 * @throws {LinkError}
 */
export async function sayHello(
  { socket, dialed: way, proof }: VerifiedConnection,
  hello: JsonObject,
): Promise<Link> {
  const place = way.socket ?? way.url;
  // Nothing is held back on a socket, so nothing need be nudged.
  const how = way.socket === undefined ? {} : { nudge: false };
  socket.send(JSON.stringify({ op: "hello", ...(proof ? { proof } : {}), ...hello, ...how }));
  const answer = await nextFrame(socket, way.timeoutMs);
  const ack = parseOpFrame(answer.text, "hello_ack");
  if (ack?.ok === true) return { socket, ack: ack as unknown as HelloAck };
  socket.drop("no use of it");
  if (answer.code === CLOSE.unauthorized || ack?.error === "unauthorized") {
    throw new LinkError("unauthorized", `the daemon at ${place} does not accept our token`);
  }
  const refusal = ack ? String(ack.error) : isApplicationCode(answer.code) && answer.why;
  if (refusal) throw new LinkError("rejected", `the daemon at ${place} refuses us: ${refusal}`);
  const said = answer.text === undefined ? answer.why : "its first frame is no hello_ack";
  throw new LinkError("unreachable", `what answers at ${place} is no EXAI daemon: ${said}`);
}
