/**
 * What client and daemon authenticate with a MAC to prove that they know the token without sending it
 * (docs/protocol.md). Each side computes the MAC by its own means.
 */

/** The side that proves: each text begins with its own label, so that a proof cannot be reflected. */
export type Prover = "daemon" | "client";

/** The facts of one exchange. */
export interface ProofExchange {
  /**
   * The address the client dialled, as the daemon knows it: `ws://127.0.0.1:8765`, or {@linkcode SOCKET_ENDPOINT}.
   * `door` on the wire.
   */
  endpoint: string;
  clientNonce: string;
  daemonNonce: string;
}

/** The endpoint of a Unix socket or named pipe. */
export const SOCKET_ENDPOINT = "socket";

const NONCE_BYTES = 32;
/** 32 bytes in base64url without padding. */
const NONCE = /^[A-Za-z0-9_-]{43}$/;
const ENDPOINT = /^[\x21-\x7e]{1,300}$/;

/** A nonce for one exchange. */
export function makeNonce(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/** Whether `value` has the form of a nonce, which is also that of a proof. */
export function isNonce(value: unknown): value is string {
  return typeof value === "string" && NONCE.test(value);
}

/** Whether `value` has the form of an endpoint. */
export function isEndpoint(value: unknown): value is string {
  return typeof value === "string" && ENDPOINT.test(value);
}

/** The text under the MAC. No part can contain a line break, so the text is unambiguous. */
export function proofText(prover: Prover, { endpoint, clientNonce, daemonNonce }: ProofExchange): string {
  return [`exai ${prover} proof 1`, endpoint, clientNonce, daemonNonce].join("\n");
}

/** The endpoint of an address: `ws://host:port`, with the port even if it is the default. */
export function addressEndpoint(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${protocol}//${hostname}:${port || (protocol === "wss:" ? "443" : "80")}`;
}

export function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** @throws {SyntaxError} when `text` is not base64url */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}
