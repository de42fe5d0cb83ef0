/**
 * What client and daemon put under a MAC to show each other that they know the token without sending it
 * (docs/protocol.md). The keyed hash itself is computed by each side with the means it has.
 */

/** Who proves: each side's text begins with its own label, so that neither can be sent its own proof back. */
export type Prover = "daemon" | "client";

/** What one exchange is about. */
export interface ProofExchange {
  /** The address the client dialled, as the daemon knows it: `ws://127.0.0.1:8765`, or {@linkcode SOCKET_DOOR}. */
  door: string;
  clientNonce: string;
  daemonNonce: string;
}

/** The door of a Unix socket or named pipe. */
export const SOCKET_DOOR = "socket";

const NONCE_BYTES = 32;
/** 32 bytes in base64url without padding. */
const NONCE = /^[A-Za-z0-9_-]{43}$/;
const DOOR = /^[\x21-\x7e]{1,300}$/;

/** A nonce for one exchange. */
export function makeNonce(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/** Whether `value` has the form of a nonce, or of a proof, which is as long. */
export function isNonce(value: unknown): value is string {
  return typeof value === "string" && NONCE.test(value);
}

/** Whether `value` has the form of a door. */
export function isDoor(value: unknown): value is string {
  return typeof value === "string" && DOOR.test(value);
}

/** The text under the MAC. No part can hold a line break, so each text can be read in one way only. */
export function proofText(prover: Prover, { door, clientNonce, daemonNonce }: ProofExchange): string {
  return [`exai ${prover} proof 1`, door, clientNonce, daemonNonce].join("\n");
}

/** The door at an address: `ws://host:port`, with the port even where it is the usual one. */
export function addressDoor(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${protocol}//${hostname}:${port || (protocol === "wss:" ? "443" : "80")}`;
}

export function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** @throws {SyntaxError} when `text` is no base64url */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}
