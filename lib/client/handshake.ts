import type { JsonObject } from "../base/json.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import {
  addressDoor,
  base64url,
  fromBase64url,
  isDoor,
  isNonce,
  makeNonce,
  type ProofExchange,
  proofText,
  type Prover,
  SOCKET_DOOR,
} from "../wire/proof.ts";
import { isApplicationCode, type NextFrame, nextFrame, parseOpFrame } from "./frames.ts";
import { LinkError } from "./link_target.ts";

/** A daemon has a proof for each token in force, of which there are few. */
const MAX_PROOFS = 16;

/** Where a connection was made to. */
interface Dialled {
  /** The address, or any at all on a socket. */
  url: string;
  /** Path of the Unix socket or named pipe. */
  socket?: string;
  timeoutMs: number;
}

/**
 * Has what is at the other end prove that it knows `token`, and makes the proof to show it in return. Nothing that
 * has to do with the token is sent before that.
 *
 * @returns our proof, good on this connection only
 * @throws {LinkError}
 */
export async function authenticateDaemon(
  socket: ClientSocket,
  dialled: Dialled,
  token: string,
): Promise<string> {
  const clientNonce = makeNonce();
  socket.send(JSON.stringify({ op: "challenge", nonce: clientNonce }));
  const answer = await nextFrame(socket, dialled.timeoutMs);
  const place = dialled.socket ?? dialled.url;
  const frame = parseOpFrame(answer.text, "challenge_res");
  if (!frame) throw noProof(place, answer);
  return await verifyProof(frame, { ...dialled, clientNonce, token });
}

/**
 * Checks the answer to a challenge.
 *
 * @returns our own proof
 * @throws {LinkError} `unproven`, or `unauthorized` when the proof is by another token than ours
 */
export async function verifyProof(
  { nonce, door, proofs }: JsonObject,
  asked: { url: string; socket?: string; clientNonce: string; token: string },
): Promise<string> {
  const place = asked.socket ?? asked.url;
  if (!isNonce(nonce) || !isDoor(door) || !isProofs(proofs)) {
    throw unproven(place, "its answer to our challenge is malformed");
  }
  if (proofs.length === 0) {
    throw unproven(
      place,
      "it says that it runs without a token; give it and this window the same EXAI_WS_TOKEN",
    );
  }
  const key = await importKey(asked.token);
  const exchange = { door, clientNonce: asked.clientNonce, daemonNonce: nonce };
  if (!await anyVerifies(key, exchange, proofs)) {
    throw new LinkError(
      "unauthorized",
      `what listens at ${place} has not proved that it knows our token: it is a daemon with another token, or ` +
        "another program",
    );
  }
  if (!isDialled(door, asked)) {
    throw new LinkError(
      "unproven",
      `the daemon reached through ${place} has proved itself, but it listens at ${door}: another program passes ` +
        "the connection on and could read it. If you forward a port, keep its number, or use TLS",
    );
  }
  const signed = await crypto.subtle.sign("HMAC", key, bytesOf("client", exchange));
  return base64url(new Uint8Array(signed));
}

/**
 * Whether the daemon listens where we dialled, so that nobody in between passes our exchange on. Over TLS the
 * certificate has said whom we talk to. A host name says only the port: what it means to the daemon is not known here.
 */
function isDialled(door: string, { url, socket }: { url: string; socket?: string }): boolean {
  if (socket !== undefined) return door === SOCKET_DOOR;
  if (url.startsWith("wss:")) return true;
  const dialled = addressDoor(url);
  if (door === dialled) return true;
  const port = dialled.slice(dialled.lastIndexOf(":"));
  return !isAddress(new URL(url).hostname) && door.startsWith("ws://") && door.endsWith(port);
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^[\d.]+$/.test(hostname);
}

function isProofs(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_PROOFS && value.every(isNonce);
}

async function anyVerifies(
  key: CryptoKey,
  exchange: ProofExchange,
  proofs: readonly string[],
): Promise<boolean> {
  const text = bytesOf("daemon", exchange);
  const verdicts = await Promise.all(
    proofs.map((proof) => crypto.subtle.verify("HMAC", key, fromBase64url(proof), text)),
  );
  return verdicts.includes(true);
}

function bytesOf(prover: Prover, exchange: ProofExchange): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(proofText(prover, exchange));
}

function importKey(token: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", new TextEncoder().encode(token), algorithm, false, [
    "sign",
    "verify",
  ]);
}

function noProof(place: string, { text, code, why }: NextFrame): LinkError {
  if (code === CLOSE.overCapacity) {
    return new LinkError("rejected", `the daemon at ${place} refuses us: ${why}`);
  }
  if (text === undefined && !isApplicationCode(code)) {
    return new LinkError("unreachable", `what listens at ${place} does not answer as a daemon: ${why}`);
  }
  const said = text === undefined ? why! : "its first frame is no challenge_res";
  return unproven(place, `${said}; it is an EXAI daemon older than this program, or another program`);
}

function unproven(place: string, why: string): LinkError {
  return new LinkError("unproven", `what listens at ${place} has not proved that it knows the token: ${why}`);
}
