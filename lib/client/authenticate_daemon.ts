import type { JsonObject } from "../base/json.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import {
  addressEndpoint,
  base64url,
  fromBase64url,
  isEndpoint,
  isNonce,
  makeNonce,
  type ProofExchange,
  proofText,
  type Prover,
  SOCKET_ENDPOINT,
} from "../wire/proof.ts";
import { isClosedByApplication, type NextFrame, nextFrame, parseOpFrame } from "./frames.ts";
import { type DialOptions, LinkError } from "./link_target.ts";

/** Proofs in one answer: one for each token in force. */
const MAX_PROOFS = 16;

/**
 * Challenges the other end to prove that it knows `token` (HMAC challenge-response, docs/protocol.md). Nothing derived
 * from the token is sent before that.
 *
 * @returns our own proof, valid on this connection only
 * @throws {LinkError} `unproven`, `unauthorized`, `rejected` or `unreachable`
 */
export async function authenticateDaemon(
  socket: ClientSocket,
  dialed: Pick<DialOptions, "url" | "socket" | "timeoutMs">,
  token: string,
): Promise<string> {
  const clientNonce = makeNonce();
  socket.send(JSON.stringify({ op: "challenge", nonce: clientNonce }));
  const answer = await nextFrame(socket, dialed.timeoutMs);
  const frame = parseOpFrame(answer, "challenge_res");
  if (!frame) throw noProof(dialed.socket ?? dialed.url, answer);
  return await verifyProof(frame, { ...dialed, clientNonce, token });
}

/**
 * Verifies the daemon's answer to a challenge.
 *
 * @returns our own proof
 * @throws {LinkError} `unproven`, or `unauthorized` when the proof was made with another token
 */
export async function verifyProof(
  { nonce, door: endpoint, proofs }: JsonObject,
  asked: { url: string; socket?: string; clientNonce: string; token: string },
): Promise<string> {
  const place = asked.socket ?? asked.url;
  if (!isNonce(nonce) || !isEndpoint(endpoint) || !isProofs(proofs)) {
    throw unproven(place, "its answer to our challenge is malformed");
  }
  if (proofs.length === 0) {
    throw unproven(
      place,
      'it says that it runs without a token; write "token": "auto" into exai.json, which it and all windows read, ' +
        "and start it again",
    );
  }
  const key = await importKey(asked.token);
  const exchange = { endpoint, clientNonce: asked.clientNonce, daemonNonce: nonce };
  if (!await anyVerifies(key, exchange, proofs)) {
    throw new LinkError(
      "unauthorized",
      `what listens at ${place} has not proved that it knows our token: it is a daemon with another token, or ` +
        "another program",
    );
  }
  if (!isDialed(endpoint, asked)) {
    throw new LinkError(
      "unproven",
      `the daemon reached through ${place} has proved itself, but it listens at ${endpoint}: another program passes ` +
        "the connection on and could read it. If you forward a port, keep its number, or use TLS",
    );
  }
  const signed = await crypto.subtle.sign("HMAC", key, bytesOf("client", exchange));
  return base64url(new Uint8Array(signed));
}

/**
 * Whether the daemon listens where we connected, so that no program in between relays the exchange. Over TLS the
 * certificate proves that. Of a host name only the port is compared, as the daemon may resolve the name differently.
 */
function isDialed(endpoint: string, { url, socket }: { url: string; socket?: string }): boolean {
  if (socket !== undefined) return endpoint === SOCKET_ENDPOINT;
  if (url.startsWith("wss:")) return true;
  const dialed = addressEndpoint(url);
  if (endpoint === dialed) return true;
  const port = dialed.slice(dialed.lastIndexOf(":"));
  return !isAddress(new URL(url).hostname) && endpoint.startsWith("ws://") && endpoint.endsWith(port);
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

function noProof(place: string, answer: NextFrame): LinkError {
  if (answer.kind === "closed" && answer.code === CLOSE.overCapacity) {
    return new LinkError("rejected", `the daemon at ${place} refuses us: ${answer.why}`);
  }
  if (answer.kind !== "frame" && !isClosedByApplication(answer)) {
    return new LinkError(
      "unreachable",
      `what listens at ${place} does not answer as a daemon: ${answer.why}`,
    );
  }
  const said = answer.kind === "frame" ? "its first frame is no challenge_res" : answer.why;
  return unproven(place, `${said}; it is an EXAI daemon older than this program, or another program`);
}

function unproven(place: string, why: string): LinkError {
  return new LinkError("unproven", `what listens at ${place} has not proved that it knows the token: ${why}`);
}
