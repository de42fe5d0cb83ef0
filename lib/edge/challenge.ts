import { createHmac } from "node:crypto";
import { base64url, isEndpoint, isNonce, makeNonce, type ProofExchange, proofText } from "../wire/proof.ts";
import { secretsEqual } from "./guard.ts";

/** The response to a client that wants proof of the token before it sends its own. */
interface ChallengeAnswer {
  nonce: string;
  door: string;
  /** A proof for each valid token; empty when the daemon has no token. */
  proofs: string[];
}

/**
 * The daemon's side of one challenge-response exchange. It belongs to one connection, and each proof covers both nonces, so
 * a proof cannot be replayed on another connection.
 */
export class Challenge {
  readonly answer: ChallengeAnswer;
  readonly #exchange: ProofExchange;
  /** The proof expected of a client, by token. */
  readonly #expected: ReadonlyMap<string, string>;

  constructor(tokens: readonly string[], asked: { endpoint: string; clientNonce: string }) {
    if (!isNonce(asked.clientNonce) || !isEndpoint(asked.endpoint)) {
      throw new Error("invalid nonce or endpoint");
    }
    this.#exchange = { ...asked, daemonNonce: makeNonce() };
    this.answer = {
      nonce: this.#exchange.daemonNonce,
      door: asked.endpoint,
      proofs: tokens.map((token) => this.#prove(token, "daemon")),
    };
    this.#expected = new Map(tokens.map((token) => [token, this.#prove(token, "client")]));
  }

  /** The valid token that `proof` was made with, if any. */
  tokenOf(proof: string): string | undefined {
    // All are compared: the time must not depend on which one matches.
    return [...this.#expected].filter(([, expected]) => secretsEqual(proof, expected)).at(0)?.[0];
  }

  #prove(token: string, prover: "daemon" | "client"): string {
    return base64url(createHmac("sha256", token).update(proofText(prover, this.#exchange)).digest());
  }
}
