import { createHmac } from "node:crypto";
import {
  base64url,
  isDoor,
  isNonce,
  makeNonce,
  type ProofExchange,
  proofText,
  type Prover,
} from "../wire/proof.ts";
import { secretsEqual } from "./guard.ts";

/** The answer to a client that asks for proof before it shows anything. */
interface ChallengeAnswer {
  nonce: string;
  door: string;
  /** A proof by each token in force; none where the daemon has no token. */
  proofs: string[];
}

/**
 * The daemon's side of one exchange of proofs. It belongs to one connection, and both nonces are in each proof, so
 * what was heard here is of no use on another connection.
 */
export class Challenge {
  readonly answer: ChallengeAnswer;
  readonly #exchange: ProofExchange;
  /** What the client must show, by the token it would know. */
  readonly #expected: ReadonlyMap<string, string>;

  constructor(tokens: readonly string[], asked: { door: string; clientNonce: string }) {
    if (!isNonce(asked.clientNonce) || !isDoor(asked.door)) {
      throw new Error("a nonce or door without its form");
    }
    this.#exchange = { ...asked, daemonNonce: makeNonce() };
    this.answer = {
      nonce: this.#exchange.daemonNonce,
      door: asked.door,
      proofs: tokens.map((token) => this.#prove(token, "daemon")),
    };
    this.#expected = new Map(tokens.map((token) => [token, this.#prove(token, "client")]));
  }

  /** The token that the client's `proof` was made with; undefined: none of those in force. */
  tokenOf(proof: string): string | undefined {
    // Every one is compared, so that the time says nothing of which it was.
    return [...this.#expected].filter(([, expected]) => secretsEqual(proof, expected)).at(0)?.[0];
  }

  #prove(token: string, prover: Prover): string {
    return base64url(createHmac("sha256", token).update(proofText(prover, this.#exchange)).digest());
  }
}
